// Package function runs the JavaScript of apps (app-services.md §4).
//
// Code runs in function-host processes: this program started again (package
// host), supervised, limited, and killed when it overruns. Only messages cross
// the border (package wire). Data, tokens, keys and outgoing HTTP stay here; a
// host asks for them by the number of a call, and this side attaches on whose
// behalf the call runs.
//
//	Deployment.Call ──► hostProcess ──Call──► host: realm, JavaScript
//	      ▲                  │ ◄─Operation── await collection.findOne()
//	      │                  ├──► Backend.Data(ctx, caller, …)
//	      └──── result ◄─────┘ ◄──Result──
package function
