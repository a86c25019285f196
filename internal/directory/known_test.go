package directory_test

import (
	"testing"

	"countersign.dev/internal/directory"
)

// People are told the sender name, the account's own before its channel's; else the company; else the account's name.
func TestAccountIsKnownBy(t *testing.T) {
	a := directory.Account{Name: "JoesBikeShop5933", Company: "Joe’s Bike Shop", Settings: directory.Settings{SenderName: "Joe"},
		Channel: directory.Settings{SenderName: "Vendor Sign"}}
	for _, step := range []struct {
		want string
		take func()
	}{
		{"Joe", func() { a.Settings.SenderName = "" }}, {"Vendor Sign", func() { a.Channel.SenderName = "" }},
		{"Joe’s Bike Shop", func() { a.Company = "" }}, {"JoesBikeShop5933", func() {}},
	} {
		if got := a.Known(); got != step.want {
			t.Errorf("known as %q, want %q", got, step.want)
		}
		step.take()
	}
}
