package acrobat

import (
	"encoding/json"
	"strings"

	"countersign.dev/internal/api/apitest"
	"countersign.dev/internal/directory"
)

func tokenRefusals() []refusal {
	ims := func(when, name string, value ...string) refusal {
		return refusal{"ims", when, func(w *world) apitest.Answer { return w.ims(name, value...) }}
	}
	ask := func(when, name string, value ...string) refusal {
		return refusal{"token", when, func(w *world) apitest.Answer { return w.ask(name, value...) }}
	}
	check := func(endpoint, when, name string, value ...string) refusal {
		path := authPath + "/" + endpoint
		return refusal{endpoint, when, func(w *world) apitest.Answer { return w.check(path, name, value...) }}
	}
	list := []refusal{
		ims("wrong secret", "client_secret", "wrong"), ims("unknown client", "client_id", "717e5ad5-152b-265c-1ea6-76300cf2aca0"),
		ims("no client_id", "client_id"), ims("no client_secret", "client_secret"), ims("no grant_type", "grant_type"),
		ims("other grant_type", "grant_type", "password"), ims("unknown scope", "scope", "everything"),
		ims("empty element in scope", "scope", "openid,,AdobeID"), ims("control character in scope", "scope", "openid\tAdobeID"),
		ims("NUL in scope", "scope", "openid\x00"), ims("parameter twice", "scope", "openid", "openid"),
		{"ims", "in the query and in the form", func(w *world) apitest.Answer {
			return w.form(imsPath+"/v2?scope=openid", w.a.imsForm("openid"))
		}},
		{"ims", "JSON", func(w *world) apitest.Answer { return w.Post(imsPath+"/v2", `{"grant_type":"client_credentials"}`) }},
		{"ims", "broken query", func(w *world) apitest.Answer { return w.Do(apitest.Call{Method: "POST", Path: imsPath + "/v2?a=%zz"}) }},
		{"ims", "revoked client", func(w *world) apitest.Answer {
			o := w.newTechnical()
			must(w.T, w.authn.RevokeClient(w.T.Context(), o.account.ClientID))
			return w.form(imsPath+"/v2", o.imsForm(""))
		}},
		{"ims", "other version", func(w *world) apitest.Answer { return w.form(imsPath+"/v1", w.a.imsForm("")) }},
		{"ims", "other method", func(w *world) apitest.Answer { return w.Get(imsPath + "/v2") }},
		ims("too large", "client_secret", strings.Repeat("x", 2<<20)),

		ask("wrong client_secret", "client_secret", "wrong"), ask("unknown client_id", "client_id", "717e5ad5-152b-265c-1ea6-76300cf2aca0"),
		ask("other grant_type", "grant_type", "client_credentials"), ask("other subject_token_type", "subject_token_type", "saml"),
		ask("other actor_token_type", "actor_token_type", "jwt"), ask("actor token unverifiable", "actor_token", "x.y.z"),
		ask("parameter twice", "subject_token", "a.b.", "a.b."), ask("actor token twice", "actor_token", "a.b.", "a.b."),
		ask("unknown parameter twice", "noise", "a", "a"), ask("NUL in a parameter", "client_id", "a\x00"),
		ask("subject token not a JWT", "subject_token", "bob@example.com"), ask("user unknown", "subject_token", subject("nobody@example.com")),
		ask("unknown scope", "scope", "everything"), ask("blocked scope", "scope", "sign_account_read"), ask("empty element in scope", "scope", "openid,"),
		{"token", "revoked client", func(w *world) apitest.Answer {
			o := w.newTechnical()
			must(w.T, w.authn.RevokeClient(w.T.Context(), o.account.ClientID))
			return w.form(tokenPath, o.exchangeForm(w.plain.email, "openid"))
		}},
		{"token", "not a form", func(w *world) apitest.Answer { return w.Post(tokenPath, `{}`) }},
		{"token", "broken form", func(w *world) apitest.Answer {
			return w.Do(apitest.Call{Method: "POST", Path: tokenPath, Media: formMedia, Body: []byte("a=%zz")})
		}},
		{"token", "actor token without the scope to impersonate", func(w *world) apitest.Answer {
			return w.ask("actor_token", w.a.token("sign_user_read,sign_user_write"))
		}},
		{"token", "actor token lacks the scope", func(w *world) apitest.Answer {
			form := w.a.exchangeForm(w.plain.email, bothUserScopes)
			form.Set("actor_token", w.a.token("sign_oem_user_impersonate,sign_user_read"))
			return w.form(tokenPath, form)
		}},
		{"token", "actor token of another client", func(w *world) apitest.Answer { return w.ask("actor_token", w.b.token("")) }},
		{"token", "a user's token as actor", func(w *world) apitest.Answer {
			return w.ask("actor_token", strings.TrimPrefix(w.a.as(w.plain.email, "openid").Authorization, "Bearer "))
		}},
		{"token", "partner inactive", func(w *world) apitest.Answer { return w.form(tokenPath, w.idle.exchangeForm(w.plain.email, "openid")) }},
		{"token", "not registered", func(w *world) apitest.Answer {
			return w.form(tokenPath, w.nobody.exchangeForm(w.plain.email, "openid"))
		}},
		{"token", "another partner's user", func(w *world) apitest.Answer { return w.form(tokenPath, w.b.exchangeForm(w.plain.email, "openid")) }},
		{"token", "user inactive", func(w *world) apitest.Answer { return w.form(tokenPath, w.a.exchangeForm(w.sleeper.email, "openid")) }},
		{"token", "other method", func(w *world) apitest.Answer { return w.Get(tokenPath) }},
		ask("too large", "subject_token", strings.Repeat("x", 2<<20)),

		check("validate_token", "no client_id", "client_id"), check("validate_token", "no token", "token"), check("validate_token", "no type", "type"),
		check("validate_token", "other type", "type", "refresh_token"), check("validate_token", "parameter twice", "token", "x", "y"),
		check("validate_token", "too large", "token", strings.Repeat("x", 2<<20)),
		{"validate_token", "not a form", func(w *world) apitest.Answer { return w.Post(validatePath, `{}`) }},
		{"validate_token", "other method", func(w *world) apitest.Answer { return w.Get(validatePath) }},
		check("invalidate_token", "no token", "token"), check("invalidate_token", "no token_type", "token_type"),
		{"invalidate_token", "not a form", func(w *world) apitest.Answer { return w.Post(endPath, `{}`) }},
	}
	for _, name := range exchangeParameters {
		list = append(list, ask("no "+name, name), ask("empty "+name, name, ""))
	}
	return list
}

func restRefusals() []refusal {
	uris := func(c apitest.Client) apitest.Answer { return c.Get(urisPath) }
	users := func(c apitest.Client) apitest.Answer { return c.Get(restPath + "/users") }
	impersonating := func(path string) func(w *world) apitest.Answer {
		return func(w *world) apitest.Answer {
			return w.a.Do(apitest.Call{Method: "GET", Path: path, Header: map[string]string{"x-api-user": "email:bob@example.com"}})
		}
	}
	return append(append(bearer("baseUris", uris), bearer("v6", users)...), []refusal{
		{"baseUris", "a token of this house", func(w *world) apitest.Answer { return w.member().Get(urisPath) }},
		{"baseUris", "x-api-user", impersonating(urisPath)},
		{"baseUris", "other method", func(w *world) apitest.Answer { return w.a.Post(urisPath, `{}`) }},
		{"v6", "a token of this house", func(w *world) apitest.Answer { return w.member().Get(restPath + "/users") }},
		{"v6", "x-api-user", impersonating(restPath + "/users")},
		{"v6", "not served", func(w *world) apitest.Answer { return users(w.a.Client) }},
		{"v6", "not served, a user's token", func(w *world) apitest.Answer { return users(w.a.as(w.plain.email, "agreement_read")) }},
		{"v6", "not served, deeper, other method", func(w *world) apitest.Answer { return w.a.Put(restPath+"/agreements/1/state", `{}`) }},
		{"v6", "nothing", func(w *world) apitest.Answer { return w.a.Get(restPath) }},
		{"v6", "broken query", func(w *world) apitest.Answer { return w.a.Get(restPath + "/users?x=%zz") }},
		{"v6", "too large", func(w *world) apitest.Answer { return w.a.Post(restPath+"/agreements", strings.Repeat("x", 2<<20)) }},
	}...)
}

func partnerRefusals() []refusal {
	register := func(c apitest.Client) apitest.Answer { return c.Post(partnersPath, `{"name":"Partner Name"}`) }
	post := func(when, body string) refusal {
		return refusal{"POST partners", when, func(w *world) apitest.Answer { return w.nobody.Post(partnersPath, body) }}
	}
	list := append(provisioning("POST partners", "sign_oem_user_impersonate", register),
		jsonBodies("POST partners", func(w *world, body string) apitest.Answer { return w.nobody.Post(partnersPath, body) })...)
	return append(list,
		post("no name", `{}`), post("null name", `{"name":null}`), post("empty name", `{"name":""}`), post("blank name", `{"name":" "}`),
		post("wrong type", `{"name":1}`), post("wrong type of domain", `{"name":"x","domains":[1]}`), post("domains not a list", `{"name":"x","domains":"x.example.com"}`),
		post("malformed domain", `{"name":"x","domains":["not a domain"]}`), post("foreign domain", `{"name":"x","domains":["elsewhere.example.com"]}`),
		post("name of 10 kB", `{"name":"`+strings.Repeat("x", 10_000)+`"}`),
		refusal{"POST partners", "a user's token", func(w *world) apitest.Answer {
			return register(w.a.as(w.admin.email, bothUserScopes))
		}},
		refusal{"POST partners", "no domains", func(w *world) apitest.Answer {
			return register(w.bare().Client)
		}},
		refusal{"POST partners", "registered already", func(w *world) apitest.Answer { return register(w.a.Client) }},
		refusal{"POST partners", "media type", func(w *world) apitest.Answer {
			return w.nobody.Do(apitest.Call{Method: "POST", Path: partnersPath, Media: formMedia, Body: []byte("name=x")})
		}},
		refusal{"POST partners", "broken query", func(w *world) apitest.Answer { return w.nobody.Post(partnersPath+"?x=%zz", `{"name":"x"}`) }},
		refusal{"POST partners", "other method", func(w *world) apitest.Answer { return w.a.Get(partnersPath) }},
		refusal{"anywhere", "unknown path", func(w *world) apitest.Answer { return w.a.Get(embedPath + "/channels") }},
		refusal{"anywhere", "consumption report", func(w *world) apitest.Answer { return w.a.Get(accountsPath + "/" + w.account + "/consumableSummary") }},
		refusal{"anywhere", "erasure", func(w *world) apitest.Answer { return w.a.Delete(w.userPath(w.plain) + "/userInfo") }},
		refusal{"anywhere", "other gateway", func(w *world) apitest.Answer { return w.a.Get(gateway + "/other") }},
		refusal{"anywhere", "empty segment", func(w *world) apitest.Answer { return w.a.Get(embedPath + "//accounts") }},
	)
}

func accountRefusals() []refusal {
	create := func(c apitest.Client) apitest.Answer {
		return c.Post(accountsPath, `{"name":"Acme1","countryCode":"US"}`)
	}
	one := accountsPath + "/abcdefghijkl"
	read := func(c apitest.Client) apitest.Answer { return c.Get(one) }
	change := func(c apitest.Client) apitest.Answer { return c.Put(one, `{"id":"abcdefghijkl","name":"Acme2"}`) }
	list := func(c apitest.Client) apitest.Answer { return c.Get(accountsPath) }
	post := func(when string, spoil func(object) object) refusal {
		return refusal{"POST accounts", when, func(w *world) apitest.Answer { return w.postAccount(spoil(w.newAccountBody())) }}
	}
	put := func(when string, spoil func(w *world, b object) object) refusal {
		return refusal{"PUT accounts/{id}", when, func(w *world) apitest.Answer { return w.putAccount(spoil(w, w.accountBody())) }}
	}
	page := func(when, query string) refusal {
		return refusal{"GET accounts", when, func(w *world) apitest.Answer { return w.a.Get(accountsPath + "?" + query) }}
	}
	byUser := func(endpoint string, call func(apitest.Client) apitest.Answer) refusal {
		return refusal{endpoint, "a user's token", func(w *world) apitest.Answer { return call(w.a.as(w.admin.email, bothUserScopes)) }}
	}
	refusals := append(onboarding("POST accounts", "sign_account_write", create), onboarding("GET accounts/{id}", "sign_account_read", read)...)
	refusals = append(append(refusals, onboarding("PUT accounts/{id}", "sign_account_write", change)...), onboarding("GET accounts", "sign_account_read", list)...)
	refusals = append(refusals, jsonBodies("POST accounts", func(w *world, body string) apitest.Answer { return w.a.Post(accountsPath, body) })...)
	refusals = append(refusals, jsonBodies("PUT accounts/{id}", func(w *world, body string) apitest.Answer { return w.a.Put(accountsPath+"/"+w.account, body) })...)
	for when, c := range badConsumables() {
		refusals = append(refusals, post(when, func(b object) object { return b.with("consumables", c) }))
	}
	return append(refusals, byUser("POST accounts", create), byUser("GET accounts/{id}", read), byUser("PUT accounts/{id}", change), byUser("GET accounts", list),
		post("no name", func(b object) object { return b.without("name") }), post("null name", func(b object) object { return b.with("name", nil) }),
		post("empty name", func(b object) object { return b.with("name", "") }), post("blank name", func(b object) object { return b.with("name", " ") }),
		post("blank countryCode", func(b object) object { return b.with("countryCode", "\t") }),
		post("no countryCode", func(b object) object { return b.without("countryCode") }),
		post("space in the name", func(b object) object { return b.with("name", "Joes Bike Shop") }),
		post("sign in the name", func(b object) object { return b.with("name", "Joe's") }),
		post("name of 10 kB", func(b object) object { return b.with("name", strings.Repeat("x", 10_000)) }),
		post("wrong type of name", func(b object) object { return b.with("name", 1) }), post("wrong type of company", func(b object) object { return b.with("company", []int{}) }),
		post("CR LF in company", func(b object) object { return b.with("company", "a\r\nb") }),
		post("unknown country", func(b object) object { return b.with("countryCode", "XX") }),
		post("country of three letters", func(b object) object { return b.with("countryCode", "USA") }),
		post("id", func(b object) object { return b.with("id", "abcdefghijkl") }),
		refusal{"POST accounts", "name taken", func(w *world) apitest.Answer {
			b := w.newAccountBody()
			w.postAccount(b).Want(201)
			return w.postAccount(b.with("name", strings.ToUpper(b["name"].(string))))
		}},
		refusal{"POST accounts", "media type", func(w *world) apitest.Answer {
			return w.a.Do(apitest.Call{Method: "POST", Path: accountsPath, Media: "text/xml", Body: []byte("<x/>")})
		}},
		refusal{"POST accounts", "other method", func(w *world) apitest.Answer { return w.a.Delete(accountsPath) }},
		refusal{"POST accounts", "broken query", func(w *world) apitest.Answer { return w.a.Post(accountsPath+"?x=%zz", w.newAccountBody().String()) }},
		refusal{"PUT accounts/{id}", "broken query", func(w *world) apitest.Answer {
			return w.a.Put(accountsPath+"/"+w.account+"?x=%zz", w.accountBody().String())
		}},
		refusal{"PUT accounts/{id}", "media type", func(w *world) apitest.Answer {
			return w.a.Do(apitest.Call{Method: "PUT", Path: accountsPath + "/" + w.account, Media: "text/xml", Body: []byte("<x/>")})
		}},
		refusal{"PUT accounts/{id}", "other method", func(w *world) apitest.Answer { return w.a.Delete(accountsPath + "/" + w.account) }},
		refusal{"GET accounts/{id}", "broken query", func(w *world) apitest.Answer { return w.a.Get(accountsPath + "/" + w.account + "?x=%zz") }},
		put("blank id", func(_ *world, b object) object { return b.with("id", " ") }), put("blank name", func(_ *world, b object) object { return b.with("name", " ") }),
		put("unknown country", func(_ *world, b object) object { return b.with("countryCode", "ZZZ") }),
		put("no id", func(_ *world, b object) object { return b.without("id") }), put("no name", func(_ *world, b object) object { return b.without("name") }),
		put("other id", func(w *world, b object) object { return b.with("id", w.elsewhere) }),
		put("wrong type", func(_ *world, b object) object { return b.with("company", 1) }), put("space in the name", func(_ *world, b object) object { return b.with("name", "a b") }),
		put("other country", func(_ *world, b object) object { return b.with("countryCode", "FR") }),
		put("bad cap", func(_ *world, b object) object { return b.with("consumables", []object{seats(-2)}) }),
		put("name taken", func(w *world, b object) object {
			return b.with("name", w.a.Get(accountsPath+"/"+w.elsewhere).Want(200).Text("name"))
		}),
		refusal{"PUT accounts/{id}", "unknown account", func(w *world) apitest.Answer { return change(w.a.Client) }},
		refusal{"PUT accounts/{id}", "another partner's account", func(w *world) apitest.Answer {
			return w.a.Put(accountsPath+"/"+w.foreign, object{"id": w.foreign, "name": "Mine"}.String())
		}},
		refusal{"PUT accounts/{id}", "NUL in the id", func(w *world) apitest.Answer { return w.a.Put(accountsPath+"/a%00b", `{"id":"x","name":"y"}`) }},
		refusal{"GET accounts/{id}", "unknown account", func(w *world) apitest.Answer { return read(w.a.Client) }},
		refusal{"GET accounts/{id}", "another partner's account", func(w *world) apitest.Answer { return w.a.Get(accountsPath + "/" + w.foreign) }},
		refusal{"GET accounts/{id}", "NUL in the id", func(w *world) apitest.Answer { return w.a.Get(accountsPath + "/a%00b") }},
		page("pageNumber below 0", "pageNumber=-1"), page("pageNumber no number", "pageNumber=x"), page("pageNumber too large", "pageNumber=99999999999"), page("pageSize 0", "pageSize=0"),
		page("pageSize below 0", "pageSize=-1"), page("pageSize 101", "pageSize=101"), page("pageSize no number", "pageSize=1.5"), page("pageSize twice", "pageSize=1&pageSize=2"),
		page("isLegacy no boolean", "isLegacy=maybe"), page("broken query", "pageSize=%zz"), page("NUL in the query", "isLegacy=%00"),
	)
}

func badConsumables() map[string]any {
	kind := func(name any) []object { return []object{{"type": name, "attributes": object{"cap": 1}}} }
	return map[string]any{
		"consumables not a list": object{}, "consumable not an object": []int{1}, "consumable without type": []object{{"attributes": object{"cap": 1}}},
		"consumable without attributes": []object{{"type": "SEATS"}}, "consumable without cap": []object{{"type": "SEATS", "attributes": object{}}},
		"unknown consumable": kind("TXN"), "consumable in lower case": kind("seats"), "consumable twice": []object{seats(1), seats(2)},
		"consumable twice by alias": []object{seats(1), {"type": "SEAT", "attributes": object{"cap": 1}}}, "wrong type of consumable type": kind(1),
		"cap below -1": []object{seats(-2)}, "cap not whole": []object{seats(1.5)}, "cap not whole, by its exponent": []object{seats(json.RawMessage("15e-1"))}, "cap a text": []object{seats("1")}, "cap too large": []object{seats(1e30)},
		"attributes not an object": []object{{"type": "SEATS", "attributes": 1}},
	}
}

func userRefusals() []refusal {
	one := usersPath + "/abcdefghijkl"
	body := object{"id": "abcdefghijkl", "email": "x@example.com", "firstName": "a", "lastName": "b", "accountId": "abcdefghijkl"}
	create := func(c apitest.Client) apitest.Answer { return c.Post(usersPath, body.without("id").String()) }
	read := func(c apitest.Client) apitest.Answer { return c.Get(one) }
	change := func(c apitest.Client) apitest.Answer { return c.Put(one, body.String()) }
	status := func(c apitest.Client) apitest.Answer {
		return c.Do(apitest.Call{Method: "POST", Path: statusPath, Media: formMedia, Body: []byte("userId=abcdefghijkl")})
	}
	list := append(onboarding("POST users", "sign_user_write", create), onboarding("GET users/{id}", "sign_user_read", read)...)
	list = append(append(list, onboarding("PUT users/{id}", "sign_user_write", change)...), onboarding("POST users/migrationStatus", "sign_user_read", status)...)
	list = append(list, jsonBodies("POST users", func(w *world, body string) apitest.Answer { return w.a.Post(usersPath, body) })...)
	list = append(list, jsonBodies("PUT users/{id}", func(w *world, body string) apitest.Answer { return w.a.Put(w.userPath(w.plain), body) })...)
	return append(append(append(list, newUserRefusals()...), changedUserRefusals()...),
		refusal{"GET users/{id}", "unknown user", func(w *world) apitest.Answer { return read(w.a.Client) }},
		refusal{"GET users/{id}", "another partner's user", func(w *world) apitest.Answer { return w.b.Get(w.userPath(w.plain)) }},
		refusal{"GET users/{id}", "NUL in the id", func(w *world) apitest.Answer { return w.a.Get(usersPath + "/a%00b") }},
		refusal{"GET users/{id}", "a user's token, no admin", func(w *world) apitest.Answer { return w.a.as(w.plain.email, bothUserScopes).Get(w.userPath(w.plain)) }},
		refusal{"GET users/{id}", "user of another account", func(w *world) apitest.Answer {
			return w.a.as(w.admin.email, bothUserScopes).Get(w.userPath(w.stranger))
		}},
		refusal{"GET users/{id}", "broken query", func(w *world) apitest.Answer { return w.a.Get(w.userPath(w.plain) + "?x=%zz") }},
		refusal{"GET users/{id}", "a token of this house", func(w *world) apitest.Answer { return read(w.member()) }},
		refusal{"POST users/migrationStatus", "unknown user", func(w *world) apitest.Answer { return status(w.a.Client) }},
		refusal{"POST users/migrationStatus", "unknown address", func(w *world) apitest.Answer {
			return w.a.Do(apitest.Call{Method: "POST", Path: statusPath, Media: formMedia, Body: []byte("email=x%40example.com")})
		}},
		refusal{"POST users/migrationStatus", "nobody named", func(w *world) apitest.Answer {
			return w.a.Do(apitest.Call{Method: "POST", Path: statusPath, Media: formMedia, Body: []byte("x=y")})
		}},
		refusal{"POST users/migrationStatus", "NUL in the address", func(w *world) apitest.Answer {
			return w.a.Do(apitest.Call{Method: "POST", Path: statusPath, Media: formMedia, Body: []byte("email=%00")})
		}},
		refusal{"POST users/migrationStatus", "malformed address", func(w *world) apitest.Answer { return migration(w, "", "email=a%40b%40example.com") }},
		refusal{"POST users/migrationStatus", "broken form", func(w *world) apitest.Answer { return migration(w, "", "email=%zz") }},
		refusal{"POST users/migrationStatus", "broken query", func(w *world) apitest.Answer { return migration(w, "?x=%zz", "userId=x") }},
		refusal{"POST users/migrationStatus", "parameter twice", func(w *world) apitest.Answer { return migration(w, "", "userId=x&userId=x") }},
		refusal{"POST users/migrationStatus", "too large", func(w *world) apitest.Answer { return migration(w, "", "userId="+strings.Repeat("x", 2<<20)) }},
		refusal{"POST users/migrationStatus", "other method", func(w *world) apitest.Answer { return w.a.Delete(statusPath) }},
		refusal{"POST users/migrationStatus", "not a form", func(w *world) apitest.Answer { return w.a.Post(statusPath, `{}`) }},
		refusal{"POST users/migrationStatus", "a user's token", func(w *world) apitest.Answer { return status(w.a.as(w.admin.email, bothUserScopes)) }},
	)
}

// migration asks for the status with a query and a form.
func migration(w *world, query, form string) apitest.Answer {
	return w.a.Do(apitest.Call{Method: "POST", Path: statusPath + query, Media: formMedia, Body: []byte(form)})
}

func newUserRefusals() []refusal {
	post := func(when string, spoil func(w *world, b object) object) refusal {
		return refusal{"POST users", when, func(w *world) apitest.Answer { return w.postUser(spoil(w, w.newUserBody())) }}
	}
	value := func(when, name string, v any) refusal {
		return post(when, func(_ *world, b object) object { return b.with(name, v) })
	}
	var list []refusal
	for _, name := range []string{"email", "firstName", "lastName", "accountId"} {
		list = append(list, post("no "+name, func(_ *world, b object) object { return b.without(name) }), value("empty "+name, name, ""), value("blank "+name, name, " "))
	}
	for _, name := range []string{"email", "emailAlias", "firstName", "lastName", "accountId", "status", "initials", "phone", "title", "company", "roles"} {
		list = append(list, value("wrong type of "+name, name, object{}))
	}
	for _, name := range []string{"firstName", "lastName", "initials", "phone", "title", "company"} {
		list = append(list, value(name+" of 10 kB", name, strings.Repeat("x", 10_000)), value("CR LF in "+name, name, "a\r\nBcc: x@example.com"))
	}
	return append(list, value("id", "id", "abcdefghijkl"), value("status INACTIVE", "status", "INACTIVE"), value("empty status", "status", ""),
		value("malformed email", "email", "a@b@example.com"), value("malformed emailAlias", "emailAlias", "nobody"),
		value("foreign domain", "email", "bob@elsewhere.example.com"), value("unknown role", "roles", []string{"PRIVACY_ADMI"}),
		value("wrong type of role", "roles", []int{1}),
		post("email of 61 characters", func(w *world, b object) object {
			return b.with("email", strings.Repeat("x", 60-len(w.a.domain))+"@"+w.a.domain)
		}),
		value("unknown account", "accountId", "abcdefghijkl"),
		post("another partner's account", func(w *world, b object) object { return b.with("accountId", w.foreign) }),
		post("email taken", func(w *world, b object) object { return b.with("email", strings.ToUpper(w.plain.email)) }),
		post("no free seat", func(w *world, b object) object { return b.with("accountId", w.full) }),
		refusal{"POST users", "a user's token, no admin", func(w *world) apitest.Answer {
			return w.a.as(w.plain.email, bothUserScopes).Post(usersPath, w.newUserBody().String())
		}},
		refusal{"POST users", "another account than the admin's", func(w *world) apitest.Answer {
			return w.a.as(w.admin.email, bothUserScopes).Post(usersPath, w.newUserBody().with("accountId", w.elsewhere).String())
		}},
		refusal{"POST users", "another partner's account, a user's token", func(w *world) apitest.Answer {
			return w.a.as(w.admin.email, bothUserScopes).Post(usersPath, w.newUserBody().with("accountId", w.foreign).String())
		}},
		refusal{"POST users", "media type", func(w *world) apitest.Answer {
			return w.a.Do(apitest.Call{Method: "POST", Path: usersPath, Media: "text/plain", Body: []byte(w.newUserBody().String())})
		}},
		refusal{"POST users", "other method", func(w *world) apitest.Answer { return w.a.Get(usersPath) }},
		refusal{"POST users", "other method, no token", func(w *world) apitest.Answer { return w.stack.Get(usersPath) }},
		refusal{"POST users", "broken query", func(w *world) apitest.Answer { return w.a.Post(usersPath+"?x=%zz", w.newUserBody().String()) }},
	)
}

func changedUserRefusals() []refusal {
	put := func(when string, spoil func(w *world, b object) object) refusal {
		return refusal{"PUT users/{id}", when, func(w *world) apitest.Answer { return w.putUser(spoil(w, w.asSent(w.plain))) }}
	}
	value := func(when, name string, v any) refusal {
		return put(when, func(_ *world, b object) object { return b.with(name, v) })
	}
	var list []refusal
	for _, name := range []string{"id", "email", "firstName", "lastName"} {
		list = append(list, put("no "+name, func(_ *world, b object) object { return b.without(name) }), value("null "+name, name, nil), value("blank "+name, name, " "))
	}
	return append(list, put("other id", func(w *world, b object) object { return b.with("id", w.admin.id) }),
		value("wrong type", "initials", 1), value("unknown status", "status", "LOCKED"), value("empty status", "status", ""),
		value("unknown role", "roles", []string{"GROUP_ADMIN"}), value("foreign domain", "email", "bob@elsewhere.example.com"),
		put("other account", func(w *world, b object) object { return b.with("accountId", w.elsewhere) }),
		value("unknown account", "accountId", "abcdefghijkl"),
		put("another partner's account", func(w *world, b object) object { return b.with("accountId", w.foreign) }),
		put("email taken", func(w *world, b object) object { return b.with("email", w.admin.email) }),
		refusal{"PUT users/{id}", "no free seat", func(w *world) apitest.Answer {
			return w.a.Put(w.userPath(w.sleeper), w.asSent(w.sleeper).with("status", string(directory.Active)).String())
		}},
		refusal{"PUT users/{id}", "unknown user, foreign domain", func(w *world) apitest.Answer {
			return w.a.Put(usersPath+"/abcdefghijkl", w.asSent(w.plain).with("id", "abcdefghijkl").with("email", "bob@elsewhere.example.com").String())
		}},
		refusal{"PUT users/{id}", "broken query", func(w *world) apitest.Answer {
			return w.a.Put(w.userPath(w.plain)+"?x=%zz", w.asSent(w.plain).String())
		}},
		refusal{"PUT users/{id}", "media type", func(w *world) apitest.Answer {
			return w.a.Do(apitest.Call{Method: "PUT", Path: w.userPath(w.plain), Media: "text/plain", Body: []byte(w.asSent(w.plain).String())})
		}},
		refusal{"PUT users/{id}", "other method", func(w *world) apitest.Answer { return w.a.Delete(w.userPath(w.plain)) }},
		refusal{"PUT users/{id}", "unknown user", func(w *world) apitest.Answer {
			return w.a.Put(usersPath+"/abcdefghijkl", w.asSent(w.plain).with("id", "abcdefghijkl").String())
		}},
		refusal{"PUT users/{id}", "another partner's user", func(w *world) apitest.Answer {
			return w.b.Put(w.userPath(w.plain), w.asSent(w.plain).with("email", "x@"+w.b.domain).String())
		}},
		refusal{"PUT users/{id}", "NUL in the id", func(w *world) apitest.Answer { return w.a.Put(usersPath+"/a%00b", w.asSent(w.plain).String()) }},
		refusal{"PUT users/{id}", "a user's token, no admin", func(w *world) apitest.Answer {
			return w.a.as(w.plain.email, bothUserScopes).Put(w.userPath(w.plain), w.asSent(w.plain).String())
		}},
		refusal{"PUT users/{id}", "user of another account", func(w *world) apitest.Answer {
			return w.a.as(w.admin.email, bothUserScopes).Put(w.userPath(w.stranger), w.asSent(w.stranger).String())
		}},
		refusal{"PUT users/{id}", "an admin gives up his role", func(w *world) apitest.Answer {
			return w.a.as(w.admin.email, bothUserScopes).Put(w.userPath(w.admin), w.asSent(w.admin).with("roles", []string{}).String())
		}},
		refusal{"PUT users/{id}", "an admin deactivates himself", func(w *world) apitest.Answer {
			return w.a.as(w.admin.email, bothUserScopes).Put(w.userPath(w.admin), w.asSent(w.admin).with("status", "INACTIVE").String())
		}},
	)
}
