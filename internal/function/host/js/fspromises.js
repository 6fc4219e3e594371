return { exports: load('fs').promises };
