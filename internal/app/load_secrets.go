package app

import (
	"maps"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/app/jsonfile"
)

// secretNeed is a place that refers to a secret.
type secretNeed struct {
	at   value
	name string
	who  string // what will not work without it, "" when nothing does
}

func (l *loader) needSecret(at value, name, who string) {
	if name != "" {
		l.secretNeeds = append(l.secretNeeds, secretNeed{at, name, who})
	}
}

// secretConfig reads a secret_config: options to secret names. inFile is the
// prefix under which secrets.json may hold the option's value itself.
func (l *loader) secretConfig(o *object, inFile string, who func(option string) string) map[string][]string {
	config := map[string][]string{}
	if s := o.sub("secret_config"); s != nil {
		for i := range s.node.Members {
			m := &s.node.Members[i]
			v := s.child(m.Key, &m.Value)
			var names []value
			if v.node.Kind == jsonfile.String {
				names = []value{v}
			} else {
				names = v.items()
			}
			for _, n := range names {
				if name := strings.TrimSpace(n.text()); name != "" {
					config[m.Key] = append(config[m.Key], name)
					l.needSecret(n, name, who(m.Key))
				}
			}
		}
	}
	for name := range l.secretFiles {
		if option, ok := strings.CutPrefix(name, inFile); ok {
			option, _, _ = strings.Cut(option, "#")
			if len(config[option]) == 0 {
				config[option] = l.secretsOf(inFile + option)
			}
		}
	}
	if len(config) == 0 {
		return nil
	}
	return config
}

// secretsOf lists the names under which secrets.json holds an option's values.
func (l *loader) secretsOf(option string) []string {
	if _, ok := l.secretFiles[option]; ok {
		return []string{option}
	}
	var names []string
	for i := 0; ; i++ {
		name := jsonfile.Index(option+"#", i)
		if _, ok := l.secretFiles[name]; !ok {
			return names
		}
		names = append(names, name)
	}
}

// readSecretsFile reads secrets.json of the old layouts: values by provider or
// service and option (app-services.md §1.1); plain names are accepted too. A
// value of the former kind goes by the name auth_providers/<provider>/<option>.
func (l *loader) readSecretsFile() {
	l.envTemplates = false
	defer func() { l.envTemplates = true }()
	o := l.object("secrets.json")
	if o == nil {
		return
	}
	for i := range o.node.Members {
		m := &o.node.Members[i]
		v := o.child(m.Key, &m.Value)
		if m.Key != "auth_providers" && m.Key != "services" {
			if v.node.Kind == jsonfile.String {
				l.secretFiles[m.Key] = v.node.Text
			} else {
				v.warn("expected a string or one of the keys auth_providers and services: ignored")
			}
			continue
		}
		group := v.object()
		if group == nil {
			continue
		}
		for j := range group.node.Members {
			owner := &group.node.Members[j]
			options := group.child(owner.Key, &owner.Value).object()
			if options == nil {
				continue
			}
			for k := range options.node.Members {
				option := &options.node.Members[k]
				name := m.Key + "/" + owner.Key + "/" + option.Key
				ov := options.child(option.Key, &option.Value)
				if ov.node.Kind == jsonfile.Array {
					for n, item := range ov.items() {
						l.secretFiles[jsonfile.Index(name+"#", n)] = item.text()
					}
				} else {
					l.secretFiles[name] = ov.text()
				}
			}
		}
	}
}

// resolveSecrets looks up every secret that something refers to: first in the
// options, then in the environment, then in secrets.json.
func (l *loader) resolveSecrets() {
	maps.Copy(l.app.Secrets, l.secretFiles)
	for name, v := range l.opts.Secrets {
		if v != "" {
			l.app.Secrets[name] = v
		}
	}
	for _, need := range l.secretNeeds {
		if l.secret(need.name) == "" && need.who != "" {
			need.at.warn("the secret %q is not set: %s. Give it in the file of --secrets or as %s in the environment",
				need.name, need.who, "REGENT_SECRET_"+strings.ReplaceAll(need.name, "-", "_"))
		}
	}
	for _, v := range l.app.Values {
		if s := l.app.Secrets[v.SecretName]; v.FromSecret && s != "" {
			v.Value = bson.RawValue{Type: bson.TypeString, Value: bsoncore.AppendString(nil, s)}
		}
	}
	for _, f := range l.afterSecrets {
		f()
	}
}

// secret returns a secret's value and keeps it in the app.
func (l *loader) secret(name string) string {
	if v := l.opts.Secrets[name]; v != "" {
		return v
	}
	if l.opts.Environ != nil {
		for _, env := range []string{"REGENT_SECRET_" + name, "REGENT_SECRET_" + strings.ReplaceAll(name, "-", "_")} {
			if v := l.opts.Environ(env); v != "" {
				l.app.Secrets[name] = v
				return v
			}
		}
	}
	return l.app.Secrets[name]
}
