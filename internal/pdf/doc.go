// Package pdf is the room where documents are read, drawn and prepared for sealing.
//
// A PDF is hostile until shown otherwise, so two sides live here and never mix:
//
//   - The parent (Jail) never parses a PDF. It starts children, hands each one
//     document over a pipe, enforces the deadline, and turns the death of a child
//     into a Refusal. It also shapes text with trusted fonts (Missing, Wrap and the
//     drawing items), so the child receives finished drawing instructions only, and
//     it writes the finished CMS into the hole left for it (Prepared.Patch).
//   - The child (Child) is the same binary started again. It limits its memory, time,
//     file sizes and descriptors before it reads the first byte, has no environment
//     and, where the kernel allows, no network and no files; it takes one document
//     and ends. In it live our own strict reader of the object graph, the writer of
//     incremental updates, and PDFium as WebAssembly for page images, text and repair.
//     Opening PDFium is most of what a child costs, so children of two kinds wait: those
//     with it, and those without, which compose, read signatures and take form fields.
//
// The strict reader accepts a file only when startxref, every cross-reference section
// and every object header agree (ISO 32000-1 §7.5). What it does not accept goes
// through PDFium's save once and must then satisfy it. A document is taken in only
// when reader and PDFium agree on the number and the size of the pages: what one
// program shows must be what another one seals.
//
// Everything added to a document is appended as one incremental update (ISO 32000-1
// §7.5.6): the bytes taken in stay an exact prefix of the file given out.
//
// What this room does not do: it makes no signature and holds no key (Prepared leaves
// an empty container and the digest; Structure returns the CMS unread), it stores
// nothing, and it knows no users, packages or events. Inspect removes active content and
// names it; it refuses what is nothing without (portfolios, dynamic XFA forms).
package pdf
