package main

import (
	"net/url"
	"strings"
	"testing"
)

// The operator makes the secret that signs callbacks and sees what could not be delivered.
func TestCallbackCommands(t *testing.T) {
	onEngines(t, func(t *testing.T, o *operator) {
		account := text(t, o.tells("account", "create", "--organisation", "Example Health", "--name", "Example Pharmacy"), "account_id")
		client := o.tells("client", "create", "--account", account, "--right", "sign", "--name", "Orders")
		o.refused("registered no such callback", "callback", "secret", "--account", account)
		o.refused("account", "callback", "secret", "--account", "nobody")
		status, told := o.call("POST", "/api/v1/auth/connect/token", "", url.Values{"grant_type": {"client_credentials"},
			"client_id": {text(t, client, "client_id")}, "client_secret": {text(t, client, "client_secret")}})
		if status != 200 {
			t.Fatal(status, told)
		}
		token := text(t, told, "access_token")
		hooks := map[string]any{"url": "http://127.0.0.1:9/", "key": "k", "events": []string{"PACKAGE_CREATE"}}
		if status, got := o.call("POST", "/api/callback", token, hooks); status != 200 {
			t.Fatal(status, got)
		}
		first := text(t, o.tells("callback", "secret", "--account", account), "secret")
		second := text(t, o.tells("callback", "secret", "--account", account, "--overlap", "24h"), "secret")
		if first == second || !strings.HasPrefix(first, "whsec_") {
			t.Errorf("%s, %s", first, second)
		}
		o.refused("at most 30 days", "callback", "secret", "--account", account, "--overlap", "721h")
		if rows := o.lists("callback", "list", "--account", account); len(rows) != 0 {
			t.Errorf("listed %v", rows)
		}
		o.refused("no failed delivery", "callback", "send-again", "--account", account, "msg_0")
		if n := text(t, o.tells("callback", "send-again", "--account", account), "deliveries"); n != "0" {
			t.Errorf("%s sent again", n)
		}
	})
}
