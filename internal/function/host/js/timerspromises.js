return { exports: load('nodetimers').promises };
