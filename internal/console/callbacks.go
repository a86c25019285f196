package console

import (
	"bytes"
	"encoding/json"
	"time"

	"countersign.dev/internal/errs"
	"countersign.dev/internal/webhook"
)

// callbacksPage is the view of an account's callbacks and what was sent.
type callbacksPage struct {
	Form       form // the filter
	Callbacks  []webhook.Callback
	Origins    []choice
	Deliveries []webhook.Delivery
	Failed     int
	Path       string
	Pager      pages
}

// callbacks shows where events go, and how they came there.
func (c *console) callbacks(v *visit) error {
	v.trail("Callbacks", "")
	view := callbacksPage{Form: form{Values: v.r.URL.Query()}, Path: v.path("callbacks"), Origins: []choice{{"", "All"}}}
	var err error
	if view.Callbacks, err = c.Webhook.Callbacks(v.ctx(), v.p); err != nil {
		return err
	}
	for _, one := range view.Callbacks {
		view.Failed += one.Failed
		if one.Origin == "" {
			view.Origins = append(view.Origins, choice{webhook.Own, "The account’s own"})
		} else {
			view.Origins = append(view.Origins, choice{one.Origin, one.Origin})
		}
	}
	f := webhook.DeliveryFilter{State: v.asked("state"), Event: v.asked("event"), Package: v.asked("package"), Origin: v.asked("origin")}
	for name, into := range map[string]*time.Time{"from": &f.From, "to": &f.Before} {
		if text := v.asked(name); text != "" && err == nil {
			if *into, err = time.Parse(time.DateOnly, text); err != nil {
				err = errs.New(errs.Invalid, "date.malformed", "A day is written like 2026-03-31.").On(name)
			}
		}
	}
	if !f.Before.IsZero() {
		f.Before = f.Before.AddDate(0, 0, 1)
	}
	next := ""
	if err == nil {
		view.Deliveries, next, err = c.Webhook.Browse(v.ctx(), v.p, f, v.asked("after"), listedAtOnce)
	}
	if errs.KindOf(err) == errs.Invalid {
		view.Form.Problem = v.refused(err).Problem
		return v.again(err, "callbacks", view)
	}
	if err != nil {
		return err
	}
	view.Pager = v.pager(next, "")
	return v.show("callbacks", view)
}

// deliveryPage is the view of one delivery.
type deliveryPage struct {
	webhook.Sent
	Path string
	Body string // set out in lines
	Open string // the address of its package; empty: the viewer has no page of it
}

// delivery shows one event on its way.
func (c *console) delivery(v *visit) error {
	d, err := c.Webhook.Delivery(v.ctx(), v.p, v.r.PathValue("delivery"))
	if err != nil {
		return err
	}
	v.trail("Callbacks", v.path("callbacks"), d.Event, "")
	view := deliveryPage{Sent: d, Path: v.path("callbacks", d.ID), Body: indented(d.Body)}
	if v.may("GET /console/accounts/{account}/packages/{package}") {
		view.Open = v.path("packages", d.Package)
	}
	return v.show("delivery", view)
}

// indented sets JSON out in lines; what is none stays.
func indented(text string) string {
	var out bytes.Buffer
	if json.Indent(&out, []byte(text), "", "  ") != nil {
		return text
	}
	return out.String()
}

// sendAgain has one delivery sent again.
func (c *console) sendAgain(v *visit) error {
	id := v.r.PathValue("delivery")
	if _, err := c.Webhook.Resend(v.ctx(), v.p, id); err != nil {
		return err
	}
	return v.done(v.path("callbacks", id), "delivery.again")
}

// sendAllAgain has all that failed sent again.
func (c *console) sendAllAgain(v *visit) error {
	if _, err := c.Webhook.Resend(v.ctx(), v.p, ""); err != nil {
		return err
	}
	return v.done(v.path("callbacks"), "deliveries.again")
}
