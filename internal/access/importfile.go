package access

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"countersign.dev/internal/errs"
)

// column is a column of a file that is imported: its name, and what other products call it.
type column struct {
	name    string
	aliases []string
}

// csvLine is a line of a file: its values by the column's name.
type csvLine struct {
	line   int
	values map[string]string
}

func (r csvLine) get(name string) string { return r.values[name] }

// has reports that the file has the column, also when the line says nothing.
func (r csvLine) has(name string) bool { _, ok := r.values[name]; return ok }

// heading is a column's name as it is compared: "Legal Entities" is legalentities.
func heading(s string) string {
	return strings.NewReplacer(" ", "", "_", "", "-", "").Replace(strings.ToLower(strings.TrimSpace(s)))
}

// readRecords reads a CSV file with a heading (RFC 4180, in UTF-8). A column that is not known is refused, for one that
// is misspelt would be a limit that is silently not there. Invalid "import.malformed"; TooLarge "import.too_large".
func readRecords(text []byte, columns []column) ([]csvLine, error) {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	if !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0 {
		return nil, malformed(1, "The file is not in UTF-8.")
	}
	reader := csv.NewReader(bytes.NewReader(text))
	reader.TrimLeadingSpace = true
	head, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, malformed(1, "The file is empty; its first line names the columns.")
	}
	if err != nil {
		return nil, unreadable(err)
	}
	names, err := headings(head, columns)
	if err != nil {
		return nil, err
	}
	var records []csvLine
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, unreadable(err)
		}
		if len(records) == maxLines {
			return nil, errs.New(errs.TooLarge, "import.too_large", "A file has at most %d lines.", maxLines)
		}
		line, _ := reader.FieldPos(0)
		r := csvLine{line, make(map[string]string, len(names))}
		for i, name := range names {
			r.values[name] = strings.TrimSpace(fields[i])
		}
		records = append(records, r)
	}
}

func headings(head []string, columns []column) (names []string, err error) {
	for _, h := range head {
		i := slices.IndexFunc(columns, func(c column) bool { return heading(c.name) == heading(h) || slices.Contains(c.aliases, heading(h)) })
		if i < 0 {
			var known []string
			for _, c := range columns {
				known = append(known, c.name)
			}
			return nil, malformed(1, "There is no column "+strconv.Quote(h)+"; the columns are "+strings.Join(known, ", ")+".")
		}
		if slices.Contains(names, columns[i].name) {
			return nil, malformed(1, "The column "+columns[i].name+" is there twice.")
		}
		names = append(names, columns[i].name)
	}
	return names, nil
}

func malformed(line int, sentence string) error {
	return errs.New(errs.Invalid, "import.malformed", "Nothing was imported. Line %d: %s", line, sentence).With("line", strconv.Itoa(line))
}

// unreadable is what the CSV reader complains of.
func unreadable(err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		if errors.Is(e.Err, csv.ErrFieldCount) {
			return malformed(e.Line, "It has not as many fields as the heading.")
		}
		return malformed(e.Line, "Quotation marks are not as CSV has them.")
	}
	return err
}

// listOf are the parts of a value that are separated by semicolons.
func listOf(value string) (parts []string) {
	for part := range strings.SplitSeq(value, ";") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// number is an integer of a column; empty is 0. Invalid "import.number".
func (r csvLine) number(name string) (int64, error) {
	if r.get(name) == "" {
		return 0, nil
	}
	return wholeNumber(r.get(name), name)
}

func wholeNumber(s, name string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, errs.New(errs.Invalid, "import.number", "%q is not a positive integer.", s).On(name)
	}
	return n, nil
}

// numbers are the integers of a column; empty is nil, which is all of them.
func (r csvLine) numbers(name string) (list []int64, err error) {
	for _, part := range listOf(r.get(name)) {
		n, err := wholeNumber(part, name)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	if list == nil && r.get(name) != "" {
		return nil, errs.New(errs.Invalid, "import.number", "%q is no list of numbers.", r.get(name)).On(name)
	}
	return list, nil
}
