package main

import (
	"strings"
	"testing"
)

// T7: the secrets of these commands are shown once, and no list shows them again.
func TestT7KeysAreShownOnce(t *testing.T) {
	onEngines(t, func(t *testing.T, o *operator) {
		account := o.tells("account", "create", "--organisation", "Example Ltd", "--name", "Example Ltd")["account_id"].(string)
		o.refused("no such account", "intelagree", "subscription", "create", "--account", "none")
		made := o.tells("intelagree", "subscription", "create", "--account", account, "--name", "Production")
		key, id := made["subscription_key"].(string), made["key_id"].(string)
		if len(key) != 64 || strings.Contains(o.does("intelagree", "subscription", "list", "--json"), key) {
			t.Errorf("%v", made)
		}
		o.does("intelagree", "subscription", "end", id)
		if rows := o.lists("intelagree", "subscription", "list"); len(rows) != 1 || rows[0]["status"] != "ended" || rows[0]["account"] != account || rows[0]["name"] != "Production" {
			t.Errorf("%v", rows)
		}
		o.refused("no such user", "intelagree", "account-key", "create", "--account", account, "--user", "none")
		o.refused("no such key", "intelagree", "account-key", "end", "none")
		o.lists("intelagree", "account-key", "list")
		o.refused("no such user", "access-token", "create", "--account", account, "--user", "none")
		o.refused("366 days", "access-token", "create", "--account", account, "--user", "none", "--life", "9000h")
		o.refused("no such access token", "access-token", "revoke", "none")
		o.lists("access-token", "list", "--account", account)
	})
}

func TestStaffCommands(t *testing.T) {
	onEngines(t, func(t *testing.T, o *operator) {
		o.tells("account", "create", "--organisation", "Example Ltd", "--name", "Example Ltd")
		made := o.tells("staff", "create", "--email", "Root@Example.com", "--name", "Root Doe", "--role", "operator")
		o.does("staff", "create", "--email", "pat@example.com", "--name", "Pat Doe", "--role", "partner_admin", "--organisation", "Example Ltd")
		o.refused("to one", "staff", "create", "--email", "x@example.com", "--name", "X", "--role", "partner_admin")
		o.refused("another's", "staff", "create", "--email", "root@example.com", "--name", "Root Doe", "--role", "operator")
		o.does("staff", "end", made["staff_id"].(string))
		rows := o.lists("staff", "list")
		if len(rows) != 2 || rows[0]["status"] != "ended" || rows[0]["email"] != "root@example.com" || rows[1]["organisation"] != "Example Ltd" || rows[1]["status"] != "active" {
			t.Errorf("%v", rows)
		}
		o.refused("no such person", "staff", "end", "none")
	})
}

func TestIdentityProviderCommands(t *testing.T) {
	onEngines(t, func(t *testing.T, o *operator) {
		o.tells("account", "create", "--organisation", "Example Ltd", "--name", "Example Ltd")
		o.refused("https URL", "identity-provider", "set", "--organisation", "Example Ltd", "--issuer", "http://127.0.0.1", "--client-id", "x")
		o.refused("not on the internet", "identity-provider", "set", "--organisation", "Example Ltd", "--issuer", "https://127.0.0.1:8443", "--client-id", "x")
		o.refused("no identity provider", "identity-provider", "off", "--organisation", "Example Ltd")
		o.refused("no identity provider", "identity-provider", "show", "--organisation", "Example Ltd")
		o.lists("identity-provider", "show")
	})
}
