package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config is everything an operator can set. The tags are the command line's:
// each flag has an environment variable COUNTERSIGN_… and a member of the
// configuration file of the same name.
type Config struct {
	Listen   string `default:"127.0.0.1:8080" help:"Address to listen on, host:port." env:"COUNTERSIGN_LISTEN"`
	URL      string `name:"url" help:"Outside URL, as in links and tokens. Default: http:// and the address listened on." env:"COUNTERSIGN_URL"`
	Data     string `default:"data" help:"Directory for the database, documents and keys." env:"COUNTERSIGN_DATA" type:"path"`
	Database string `help:"Database: sqlite:PATH or postgres://USER@HOST/NAME. Default: countersign.db in the data directory." env:"COUNTERSIGN_DATABASE"`

	Cache string `help:"Directory for compiled code. Default: cache in the data directory." env:"COUNTERSIGN_CACHE" type:"path"`

	MasterKeyFile string `help:"File with the master key (64 hexadecimal digits), the same for all replicas. Default: master.key in the data directory, made when missing." env:"COUNTERSIGN_MASTER_KEY_FILE" type:"path"`
	SealKeyFile   string `help:"The operator's own key and certificates, PEM or PKCS#12, to seal with. Default: made at the first start." env:"COUNTERSIGN_SEAL_KEY_FILE" type:"path"`
	SealPassword  string `help:"Password of a PKCS#12 seal key." env:"COUNTERSIGN_SEAL_PASSWORD"`

	SMTP         string `name:"smtp" help:"Mail relay, host:port." env:"COUNTERSIGN_SMTP"`
	SMTPUser     string `name:"smtp-user" help:"User at the mail relay." env:"COUNTERSIGN_SMTP_USER"`
	SMTPPassword string `name:"smtp-password" help:"Password at the mail relay." env:"COUNTERSIGN_SMTP_PASSWORD"`
	SMTPTLS      string `name:"smtp-tls" enum:"starttls,tls,none" default:"starttls" help:"Encryption to the relay: starttls, tls, none." env:"COUNTERSIGN_SMTP_TLS"`
	MailFrom     string `default:"Countersign <sign@example.com>" help:"Sender address of mails." env:"COUNTERSIGN_MAIL_FROM"`
	Mailbox      bool   `help:"Keep mails in a built-in mailbox; with --smtp a copy of each. Only on a loopback address." env:"COUNTERSIGN_MAILBOX"`

	TLSCert        string   `name:"tls-cert" help:"Certificate file (PEM) to serve TLS." env:"COUNTERSIGN_TLS_CERT" type:"path"`
	TLSKey         string   `name:"tls-key" help:"Key file (PEM) to serve TLS." env:"COUNTERSIGN_TLS_KEY" type:"path"`
	TrustedProxies []string `name:"trusted-proxy" help:"Networks of proxies whose X-Forwarded-For is believed." env:"COUNTERSIGN_TRUSTED_PROXIES"`
	Metrics        string   `help:"Address for metrics and profiles, host:port. Off when empty." env:"COUNTERSIGN_METRICS"`

	Fonts         []string      `help:"Folders with more fonts for stamps." env:"COUNTERSIGN_FONTS" type:"path"`
	MaxDocument   int64         `default:"16" help:"Largest document, in MiB." env:"COUNTERSIGN_MAX_DOCUMENT"`
	Product       string        `default:"Countersign" help:"Name on pages, mails and seals." env:"COUNTERSIGN_PRODUCT"`
	ShutdownAfter time.Duration `default:"30s" help:"How long running requests and jobs may take at shutdown." env:"COUNTERSIGN_SHUTDOWN_AFTER"`

	AccessPoints         []string `name:"access-point" sep:";" help:"Address of the Acrobat Sign Embed interface: API_URL,WEB_URL[,CC:CC…] with the countries whose accounts live there. Repeatable (in the environment: separated by semicolons); the first is the default. Default: the outside URL." env:"COUNTERSIGN_ACCESS_POINTS"`
	TokenIssuer          string   `default:"oem-prod" help:"Issuer named in Embed user tokens." env:"COUNTERSIGN_TOKEN_ISSUER"`
	TokenAudience        string   `default:"OEM PARTNERS" help:"Audience named in Embed user tokens." env:"COUNTERSIGN_TOKEN_AUDIENCE"`
	AutoActivatePartners bool     `help:"Partners are active as soon as they register. For development." env:"COUNTERSIGN_AUTO_ACTIVATE_PARTNERS"`

	CallbackAllow []string `name:"callback-allow" help:"Hosts, addresses and networks that callbacks may reach although they lie inside, such as 10.1.0.0/16 or hooks.example.com. Without it they reach the internet alone." env:"COUNTERSIGN_CALLBACK_ALLOW"`

	IdentityProviderAllow []string `name:"identity-provider-allow" help:"Hosts, addresses and networks of identity providers that may be called although they lie inside; hosts named here also by plain HTTP. Without it they are called on the internet alone." env:"COUNTERSIGN_IDENTITY_PROVIDER_ALLOW"`

	// Version is told to clients; "" is none.
	Version string `kong:"-" json:"-"`
	// Observe is told the steps of the seal job; nil in production.
	Observe func(step string) `kong:"-" json:"-"`
}

// databaseFile is the SQLite database in the data directory.
const databaseFile = "countersign.db"

// check refuses a configuration that would not do, and fills in what follows from the rest.
func (c *Config) check() error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	ip, notIP := netip.ParseAddr(host)
	if c.URL == "" && (host == "" || notIP == nil && ip.IsUnspecified() || port == "0") {
		return fmt.Errorf("--url is needed: links and tokens cannot name %s", c.Listen)
	}
	if c.MaxDocument < 1 || c.MaxDocument > 256 {
		return errors.New("--max-document: from 1 to 256 MiB")
	}
	if c.URL == "" {
		c.URL = "http://" + c.Listen
		if c.TLSCert != "" {
			c.URL = "https://" + c.Listen
		}
	}
	outside, err := outsideURL(c.URL)
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	c.URL = strings.TrimSuffix(outside, "/")
	if _, err := c.accessPoints(); err != nil {
		return err
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	if c.Mailbox && host != "localhost" && (notIP != nil || !ip.IsLoopback()) {
		return errors.New("--mailbox shows everybody's mail: it is for a loopback address only")
	}
	if c.SMTP == "" && !c.Mailbox {
		return errors.New("without a mail relay nobody can be invited: set --smtp, or --mailbox to try things out")
	}
	if c.Data, err = filepath.Abs(c.Data); err != nil {
		return err
	}
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Data, databaseFile)
	}
	if c.Cache == "" {
		c.Cache = filepath.Join(c.Data, "cache")
	}
	return os.MkdirAll(c.Data, 0o700)
}

// Exists refuses a SQLite database that is not there: most likely the administration was told the wrong place.
func (c *Config) Exists() error {
	path, file := strings.CutPrefix(c.Database, "sqlite:")
	if c.Database == "" {
		path, file = filepath.Join(c.Data, databaseFile), true
	}
	if !file {
		return nil
	}
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database %s: name the server's with --data or --database", path)
	}
	return err
}

// proxies are the trusted networks.
func (c *Config) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range c.TrustedProxies {
		if ip, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxy: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}
