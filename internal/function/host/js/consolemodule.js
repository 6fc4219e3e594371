return { exports: native.console() };
