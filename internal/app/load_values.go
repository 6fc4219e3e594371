package app

import "path"

// readValues reads values/*.json (app-services.md §7.1). The name inside wins
// over the file's.
func (l *loader) readValues() {
	for _, f := range l.jsonFiles("values") {
		o := l.object(path.Join("values", f))
		if o == nil {
			continue
		}
		v := &Value{Source: o.source(), Name: o.str("name"), FromSecret: o.flag("from_secret"), Private: o.closing("private")}
		if v.Name == "" {
			v.Name = f[:len(f)-len(".json")]
		}
		if v.FromSecret {
			v.SecretName = o.str("value")
			if v.SecretName == "" {
				v.SecretName = v.Name
			}
			l.needSecret(o.at("value"), v.SecretName, "the value "+v.Name+" is undefined without it")
		} else if raw, ok := o.get("value"); ok {
			v.Value = raw.bson()
		} else if n := o.node.Get("value"); n != nil {
			v.Value = o.child("value", n).bson() // a null is a value too
		}
		o.done()
		if l.app.Value(v.Name) != nil {
			o.warn("a second value of the name %s: ignored", v.Name)
			continue
		}
		l.app.Values = append(l.app.Values, v)
	}
}
