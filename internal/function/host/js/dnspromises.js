return { exports: load('dns').promises };
