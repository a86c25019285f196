package directory_test

import (
	"bytes"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"countersign.dev/internal/db"
	"countersign.dev/internal/db/dbtest"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// someSettings draws settings that SetAccount would take.
func someSettings(t *rapid.T, name string) directory.Settings {
	lease := func(part string) time.Duration {
		return rapid.SampledFrom([]time.Duration{0, time.Second, 20 * time.Second, time.Minute, time.Hour, 24 * time.Hour}).Draw(t, name+" "+part)
	}
	wait := func(part string) time.Duration {
		return rapid.SampledFrom([]time.Duration{0, time.Minute, time.Hour, 90 * 24 * time.Hour}).Draw(t, name+" "+part)
	}
	s := directory.Settings{
		MemberIdentification: rapid.SampledFrom([]string{"", directory.Link, directory.NewBrowser, directory.Always}).Draw(t, name+" identification"),
		SoftLease:            lease("soft"), HardLease: lease("hard"), Heartbeat: lease("heartbeat"), MaxHold: lease("hold"),
		RemindFirst: wait("first"), RemindEvery: wait("every"),
		RemindAtMost: rapid.IntRange(-1, 10).Draw(t, name+" at most"),
		SenderName:   rapid.SampledFrom([]string{"", name}).Draw(t, name+" sender"),
	}
	if all := s.Or(directory.Defaults); all.Heartbeat >= all.HardLease {
		t.Skip("inconsistent")
	}
	return s
}

// No account is ever wider than its channel, and what it may set for itself holds.
func TestEffectiveIsNeverWiderThanTheChannel(t *testing.T) {
	order := []string{"", directory.Link, directory.NewBrowser, directory.Always}
	rapid.Check(t, func(t *rapid.T) {
		a := directory.Account{Settings: someSettings(t, "own"), Channel: someSettings(t, "channel")}
		own, channel, got := a.Settings, a.Channel, a.Effective()
		if slices.Index(order, got.MemberIdentification) < slices.Index(order, channel.MemberIdentification) {
			t.Fatalf("identification %q below the channel's %q", got.MemberIdentification, channel.MemberIdentification)
		}
		for name, d := range map[string][3]time.Duration{"soft": {own.SoftLease, channel.SoftLease, got.SoftLease},
			"hard": {own.HardLease, channel.HardLease, got.HardLease}, "hold": {own.MaxHold, channel.MaxHold, got.MaxHold},
			"heartbeat": {own.Heartbeat, channel.Heartbeat, got.Heartbeat}} {
			if d[1] != 0 && d[2] > d[1] || d[0] != 0 && d[2] > d[0] {
				t.Fatalf("%s: %v from own %v and channel %v", name, d[2], d[0], d[1])
			}
			if name != "heartbeat" && d[2] != d[0] && d[2] != d[1] && d[0]|d[1] != 0 {
				t.Fatalf("%s: %v is nobody's: own %v, channel %v", name, d[2], d[0], d[1])
			}
		}
		if got.RemindFirst < max(own.RemindFirst, channel.RemindFirst) || got.RemindEvery < max(own.RemindEvery, channel.RemindEvery) {
			t.Fatalf("reminders sooner or oftener: %+v", got)
		}
		if channel.RemindAtMost != 0 && got.RemindAtMost > channel.RemindAtMost || got.RemindAtMost == 0 {
			t.Fatalf("%d reminders where the channel allows %d", got.RemindAtMost, channel.RemindAtMost)
		}
		if own.SenderName != "" && got.SenderName != own.SenderName || own.SenderName == "" && got.SenderName != channel.SenderName {
			t.Fatalf("sender name %q", got.SenderName)
		}
		if got.Heartbeat >= got.HardLease || got.Heartbeat <= 0 || got.SoftLease <= 0 || got.MaxHold <= 0 {
			t.Fatalf("leases that cannot hold: %+v", got)
		}
		if alone := (directory.Account{Settings: own}).Effective(); alone != own.Or(directory.Defaults) {
			t.Fatalf("without a channel: %+v", alone)
		}
	})
}

func TestSettingsAreNarrowedByTheChannel(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		if got := a.Effective(); got != directory.Defaults {
			t.Errorf("a new account's settings: %+v", got)
		}
		channel := directory.Settings{MemberIdentification: directory.NewBrowser, HardLease: 10 * time.Minute, RemindAtMost: 3,
			RemindFirst: time.Hour, RemindEvery: time.Hour, SenderName: "Vendor Sign"}
		if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Settings: channel}); err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]directory.Settings{"member_identification": {MemberIdentification: directory.Link},
			"hard_lease": {HardLease: 11 * time.Minute}, "remind_at_most": {RemindAtMost: 4}, "remind_first": {RemindFirst: time.Minute},
			"remind_every": {RemindEvery: 59 * time.Minute}} {
			err := h.SetAccount(t.Context(), a.OuterID, s, nil)
			refused(t, err, errs.Invalid, "settings.wider")
			if e, ok := errors.AsType[*errs.Error](err); !ok || e.Field != name {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, s := range map[string]directory.Settings{"remind_first": {RemindFirst: time.Second}, "remind_every": {RemindEvery: 91 * 24 * time.Hour},
			"remind_at_most": {RemindAtMost: 11}, "sender_name": {SenderName: "a\r\nb"}} {
			err := h.SetAccount(t.Context(), a.OuterID, s, nil)
			refused(t, err, errs.Invalid, "settings.range")
			if e, ok := errors.AsType[*errs.Error](err); !ok || e.Field != name {
				t.Errorf("%s: %v", name, err)
			}
		}
		own := directory.Settings{MemberIdentification: directory.Always, HardLease: time.Minute, RemindAtMost: 1, SenderName: " Customer "}
		if err := h.SetAccount(t.Context(), a.OuterID, own, nil); err != nil {
			t.Fatal(err)
		}
		got, err := h.PartnerAccount(t.Context(), v.p, a.OuterID)
		want := directory.Settings{MemberIdentification: directory.Always, SoftLease: 90 * time.Second, HardLease: time.Minute,
			Heartbeat: 30 * time.Second, MaxHold: time.Hour, RemindFirst: time.Hour, RemindEvery: time.Hour, RemindAtMost: 1, SenderName: "Customer"}
		if err != nil || got.Effective() != want || got.Channel != channel {
			t.Errorf("effective %+v, want %+v, %v", got.Effective(), want, err)
		}
		// The channel becomes stricter than the account was allowed to be: it holds at once.
		if err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Settings: directory.Settings{RemindAtMost: directory.NoReminders}}); err != nil {
			t.Fatal(err)
		}
		if got, err = h.PartnerAccount(t.Context(), v.p, a.OuterID); err != nil || got.Effective().RemindAtMost != directory.NoReminders {
			t.Errorf("reminders of a silent channel: %+v, %v", got.Effective(), err)
		}
	})
}

// picture is an image of a format.
func picture(t *testing.T, format string, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	img := image.NewGray(image.Rect(0, 0, w, h))
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, img)
	case "jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "gif":
		err = gif.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBrand(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *dbtest.DB) {
		h := build(t, d)
		v := h.vendor("Vendor Inc", "partner.example")
		a := v.account("One")
		brand := func(account string) (b directory.Brand) {
			t.Helper()
			h.write(func(tx *db.Tx) (err error) { b, err = directory.BrandOf(tx, account); return err })
			return b
		}
		if brand(a.ID) != (directory.Brand{}) || brand(h.home.ID) != (directory.Brand{}) {
			t.Errorf("brands of nobody: %+v, %+v", brand(a.ID), brand(h.home.ID))
		}
		of, own := picture(t, "png", 1024, 1024), picture(t, "jpeg", 3, 2)
		err := h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Logo: of, Settings: directory.Settings{SenderName: "Vendor Sign"}})
		if err != nil {
			t.Fatal(err)
		}
		inherited := brand(a.ID)
		media, data, err := h.Logo(t.Context(), inherited.Logo)
		if err != nil || inherited.Name != "Vendor Sign" || media != "image/png" || !bytes.Equal(data, of) {
			t.Errorf("inherited %+v, %s, %v", inherited, media, err)
		}
		if err = h.SetAccount(t.Context(), a.OuterID, directory.Settings{SenderName: "Customer"}, own); err != nil {
			t.Fatal(err)
		}
		b := brand(a.ID)
		if media, data, err = h.Logo(t.Context(), b.Logo); err != nil || b.Name != "Customer" || media != "image/jpeg" || !bytes.Equal(data, own) {
			t.Errorf("own %+v, %s, %v", b, media, err)
		}
		if err = h.SetAccount(t.Context(), a.OuterID, directory.Settings{}, []byte{}); err != nil || brand(a.ID).Logo != inherited.Logo {
			t.Errorf("own logo removed: %+v, %v", brand(a.ID), err)
		}
		if err = h.SetPartner(t.Context(), v.OuterID, directory.PartnerChange{Logo: []byte{}}); err != nil || brand(a.ID).Logo != "" {
			t.Errorf("channel's logo removed: %+v, %v", brand(a.ID), err)
		}
		for i, bad := range [][]byte{picture(t, "png", 1025, 1), picture(t, "jpeg", 1, 1025), picture(t, "gif", 1, 1), of[:len(of)/2], []byte("<svg/>"),
			append(slices.Clone(own), make([]byte, 64<<10)...)} {
			if err := h.SetAccount(t.Context(), a.OuterID, directory.Settings{}, bad); !errs.Is(err, "logo.malformed") {
				t.Errorf("bad logo %d: %v", i, err)
			}
		}
		refused(t, h.SetAccount(t.Context(), "nobody", directory.Settings{}, own), errs.NotFound, "account.unknown")
		for _, digest := range []string{"", "nobody", "\x00", "../../etc/passwd"} {
			_, _, err := h.Logo(t.Context(), digest)
			refused(t, err, errs.NotFound, "logo.unknown")
		}
		err = h.db.Write(t.Context(), func(tx *db.Tx) error { _, err := directory.BrandOf(tx, "nobody"); return err })
		refused(t, err, errs.NotFound, "account.unknown")
		if n := h.audited("account.logo_changed"); n != 2 {
			t.Errorf("%d events of logos, want 2", n)
		}
	})
}
