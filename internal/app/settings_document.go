package app

import "io"

//go:generate go test regent/cmd/regent -run TestConfigurationDocument -update

// WriteConfiguration writes docs/configuration.md.
func WriteConfiguration(w io.Writer) error {
	if _, err := io.WriteString(w, configurationHead); err != nil {
		return err
	}
	return SettingsTable().Markdown(w)
}

const configurationHead = `<!-- Made by go generate ./internal/app from the tables of settings and flags. Do not edit. -->

# Configuration

An exported app directory is all the configuration that an app needs. What App Services had no word for is set in two places:

- **Flags of the process** say where it listens, where its data is, and what is the same for every app. ` + "`regent serve --help`" + ` lists them with
  their defaults; each can also be given in the environment, ` + "`--public-url` as `REGENT_PUBLIC_URL`" + `.
- **` + "`regent.json`" + `**, an optional file beside ` + "`root_config.json`" + ` or ` + "`realm_config.json`" + `, holds the settings of one app. This page lists them.

` + "```json" + `
{
    "access_token_ttl": "30m",
    "hide_accounts": true,
    "function_result_size": "4MB",
    "oauth": {
        "oauth2-google": { "audiences": ["123.apps.googleusercontent.com"] }
    }
}
` + "```" + `

- **Durations** are texts with a unit: ` + "`90s`, `30m`, `12h`, `60d`" + `; a plain number is seconds.
- **Sizes** are numbers of bytes or texts with a unit: ` + "`512`, `64KB`, `10MB`, `1GB`" + `.
- A value that is out of range or of the wrong type is an **error**: the app is not served, or its old version stays, because a default in place of what
  you wrote could be the less safe choice. An unknown key is a **warning**. ` + "`regent check DIR`" + ` shows both with line and column.
- Comments and trailing commas are allowed.

## Settings of an app: ` + "`regent.json`" + `
`
