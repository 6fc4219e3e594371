package rules

import (
	"testing"

	"regent/test/web"
)

// TestRealmWeb performs every operation through the unmodified realm-web and
// compares what it gives, and the bytes of the answers.
func TestRealmWeb(t *testing.T) {
	web.Install(t)
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			w := start(t, engine, "realmweb", func(w *world) {
				w.Configure("rules", "c", everybody)
				w.Configure("rules", "closed", `{"roles": [{"name": "reader", "apply_when": {}, "read": true, "write": false}]}`)
				w.Configure("rules", "shaped", everybody)
				w.Configure("schema", "shaped", `{"bsonType": "object", "required": ["name"], "properties": {"name": {"bsonType": "string"}}}`)
			})
			w.Have("closed", `{"_id": 1}`)
			t.Log(web.Node(t, "operations.mjs", "REGENT_URL="+w.url, "REGENT_APP_ID="+w.id, "REGENT_DATABASE="+w.db))
		})
	}
}
