var w = load('webstreams');
return { exports: load('absent').make('stream/web', { ReadableStream: w.ReadableStream, ReadableStreamDefaultReader: w.ReadableStreamDefaultReader }) };
