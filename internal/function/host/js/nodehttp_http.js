return { exports: load('nodehttp').http };
