return { exports: load('net').tls };
