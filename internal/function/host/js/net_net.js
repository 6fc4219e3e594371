return { exports: load('net').net };
