return { exports: load('nodehttp').https };
