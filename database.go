package regent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"regent/docdb"
)

// systemDatabase holds Regent's own collections; no rule reaches it.
const systemDatabase = "__regent"

// deployments are the databases behind the apps' data sources. All of them are
// reached through the official driver; the embedded one by an in-memory
// connection.
type deployments struct {
	unnamed  *mongo.Client              // serves what no name claims, and systemDatabase
	concern  *writeconcern.WriteConcern // of unnamed, nil for its default
	named    map[string]*mongo.Client   // by data source
	embedded *docdb.DB                  // nil when unnamed is a MongoDB deployment
	listener net.Listener               // of the embedded database, nil without --docdb-listen
	where    string                     // for people
}

// connectTimeout bounds the first contact with a MongoDB deployment.
const connectTimeout = 15 * time.Second

// openDeployments connects to what Config.MongoDB names and opens the embedded
// database when it names no deployment for everything.
func openDeployments(ctx context.Context, c *Config) (_ *deployments, err error) {
	d := &deployments{named: map[string]*mongo.Client{}}
	defer func() {
		if err != nil {
			d.close(context.WithoutCancel(ctx))
		}
	}()
	for _, spec := range c.MongoDB {
		name, uri := "", spec
		if !isURI(spec) {
			var ok bool
			if name, uri, ok = strings.Cut(spec, "="); !ok || name == "" {
				return nil, fmt.Errorf("--mongodb %q: allowed are a URI (mongodb://…) and NAME=URI", spec)
			}
		}
		o := options.Client().ApplyURI(uri).SetAppName("regent")
		client, err := mongo.Connect(o)
		if err != nil {
			return nil, fmt.Errorf("--mongodb %s: %w", redactURI(uri), err)
		}
		if name == "" {
			if d.unnamed != nil {
				return nil, errors.New("--mongodb: only one URI may be without a data source's name")
			}
			d.unnamed, d.concern, d.where = client, o.WriteConcern, redactURI(uri)
		} else {
			d.named[name] = client
		}
		ping, cancel := context.WithTimeout(ctx, connectTimeout)
		err = client.Ping(ping, nil)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("--mongodb %s does not answer: %w", redactURI(uri), err)
		}
	}
	if d.unnamed != nil {
		if c.DocDBListen != "" {
			return nil, errors.New("--docdb-listen opens the embedded database, which --mongodb replaces: give one of them")
		}
		return d, nil
	}
	dir := filepath.Join(c.DataDir, "db")
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if d.embedded, err = docdb.Open(dir, docdb.Options{}); err != nil {
		return nil, fmt.Errorf("embedded database in %s: %w", dir, err)
	}
	if d.unnamed, err = mongo.Connect(d.embedded.ClientOptions().SetAppName("regent")); err != nil {
		return nil, err
	}
	d.where = c.DataDir + " (embedded database)"
	if c.DocDBListen != "" {
		if d.listener, err = net.Listen("tcp", c.DocDBListen); err != nil {
			return nil, fmt.Errorf("--docdb-listen: %w", err)
		}
		if err := d.embedded.MayServe(d.listener.Addr()); err != nil {
			return nil, fmt.Errorf("--docdb-listen %s: %w: \"regent docdb user NAME\"", c.DocDBListen, err)
		}
		go d.embedded.Serve(d.listener)
		d.where += ", for drivers and tools at mongodb://" + d.listener.Addr().String() + "/?directConnection=true"
	}
	return d, nil
}

func isURI(spec string) bool {
	return strings.HasPrefix(spec, "mongodb://") || strings.HasPrefix(spec, "mongodb+srv://")
}

// replacesEmbedded says whether --mongodb names a deployment for everything.
func replacesEmbedded(specs []string) bool { return slices.ContainsFunc(specs, isURI) }

// client returns the deployment of a data source.
func (d *deployments) client(dataSource string) *mongo.Client {
	if c := d.named[dataSource]; c != nil {
		return c
	}
	return d.unnamed
}

// isEmbedded says whether a data source lies in the embedded database.
func (d *deployments) isEmbedded(dataSource string) bool {
	return d.embedded != nil && d.named[dataSource] == nil
}

// name tells deployments apart: data sources of equal name share one.
func (d *deployments) name(dataSource string) string {
	if d.named[dataSource] != nil {
		return dataSource + "/"
	}
	return ""
}

func (d *deployments) system() *mongo.Database { return d.unnamed.Database(systemDatabase) }

func (d *deployments) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return d.unnamed.Ping(ctx, nil)
}

// close disconnects; the embedded database is closed clean.
func (d *deployments) close(ctx context.Context) error {
	var errs []error
	for _, c := range d.named {
		errs = append(errs, c.Disconnect(ctx))
	}
	if d.unnamed != nil {
		errs = append(errs, d.unnamed.Disconnect(ctx))
	}
	if d.listener != nil {
		d.listener.Close()
	}
	if d.embedded != nil {
		errs = append(errs, d.embedded.Close())
	}
	return errors.Join(errs...)
}

// redactURI is a URI without its password, for messages.
func redactURI(uri string) string {
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return uri
	}
	credentials, host, ok := strings.Cut(rest, "@")
	if !ok {
		return uri
	}
	name, _, _ := strings.Cut(credentials, ":")
	return scheme + "://" + name + ":…@" + host
}
