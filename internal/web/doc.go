// Package web is what people see in a browser: the page behind an invitation's
// link, the signing page, a member's inbox, the verify page, the reference of an
// interface for developers and, in the demo, the mailbox. Pages are html/template;
// scripts are plain ES modules of our own, and Swagger UI on the reference pages;
// nothing comes from another host. It holds no rules: every act is one call of signing.
//
// # The way through the pages
//
//	GET  /s/{token}             what is waiting; changes nothing            (rule: reading never locks)
//	POST /s                     token in the body → cookie → 303 /sign/{handle}
//	GET  /sign/{handle}         by standing: code · lobby · waiting · signing page · signed · closed
//	POST /sign/{handle}/code/send, …/code     the mailbox proof
//	POST /sign/{handle}/take    with the page's nonce: a form (→ 303 …?lease={epoch}) or JSON (→ the lease)
//	POST /sign/{handle}/beat, consent, fill, sign, decline, optout     JSON, each with the epoch; sign with the affidavit in person
//	POST /sign/{handle}/attach?epoch=&attachment=&name=     a file's bytes as application/octet-stream; detach JSON
//	GET, POST /sign/{handle}/hand-over        in person: who takes the device confirms who he is
//	POST /sign/{handle}/leave                 JSON ("finish later")
//	POST /sign/{handle}/watch                 a form or JSON
//	GET  /sign/{handle}/state                 how it stands, polled
//	GET  /sign/{handle}/d/{doc}/{n}.png       a page as an image; {n}.json its words; copy the PDF
//	GET  /logo/{digest}                       an account's logo, by what it holds
//	GET  /theme/{colors}.css                  an account's colours, which stand in the address
//	GET  /inbox · GET, POST /verify · GET /mailbox… · GET /assets/…
//	GET  /openapi/{interface}, and its document at …{interface}.json          for developers
//
// The person who presses "Start signing" on the link's page presses once: the same
// intent is carried through the code page to the lease.
//
// A page that is open when its package ends, is deleted or no longer asks the visitor hears
// it from its next poll or act: the waiting page loads again, the signing page can only be
// read, says why and leads on. Only a 404 "visit.unknown" means deleted; another is trouble
// on the way, like no answer.
//
// Pages about an invitation have the account's name and logo at their head, refusals
// too, and its colours; an inbox has them where all its packages are of one account.
//
// Conditions of fields are carried out by signing alone: the answer to each entry says which fields it opened, closed
// or made necessary, and the page follows.
//
// What a field asks for is hinted beside it as it is entered; the server's word on the
// same value counts more. A group of radio buttons or check boxes is one question: one
// stop of the guide, one of the required fields that are counted.
//
// # Keeping others out
//
// The token of a link stands in one address only; the first POST exchanges it for
// a cookie, pages forbid referrers, and the log holds route patterns instead of
// paths. Cross-origin writes are refused (net/http CrossOriginProtection); taking the
// lease needs a nonce bound to browser and page as well. The content policy allows
// scripts, styles and images of this host only, inline ones never.
//
// # What it does not do
//
// It never sends bytes of a document from the browser to the seal, keeps no
// session of its own, and does not decide who is identified: authn does, through
// signing.
package web
