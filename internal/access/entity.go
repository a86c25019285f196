package access

import (
	"context"
	"strconv"

	"countersign.dev/internal/authz"
	"countersign.dev/internal/db"
	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// The kinds of entities.
const (
	Organization = "organization" // a business unit of the account
	LegalEntity  = "legal_entity"
	ContractType = "contract_type"
)

// Entity is something that grants are scoped by.
type Entity struct {
	Kind   string // one of the three
	Number int64  // at least 1, its own among those of its kind
	Name   string
}

// DefineEntity makes an entity of the account, or gives the one of that number a new name.
//
// Denied "right.missing"; Invalid "entity.kind", "entity.number", "name.malformed", "name.missing"; Conflict
// "entity.taken" (the name is another's).
func (a *Access) DefineEntity(ctx context.Context, p authz.Principal, e Entity) error {
	if err := mayOne(p, authz.ManageUsers); err != nil {
		return err
	}
	return a.db.Write(ctx, func(tx *db.Tx) error {
		w, err := managing(tx, p)
		if err != nil {
			return err
		}
		m, err := readMap(tx, p.Account)
		if err != nil {
			return err
		}
		done, err := m.define(tx, e)
		if err != nil || done == unchanged {
			return err
		}
		return record(tx, p, w.actor, "entity.defined", map[string]string{"kind": e.Kind, "number": strconv.FormatInt(e.Number, 10)}, nil)
	})
}

// outcome is what defining something came to.
type outcome int

const (
	unchanged outcome = iota
	changed
	created
)

func entitiesOf(tx *db.Tx, account string) ([]Entity, error) {
	return db.All[Entity](tx, `select kind, number, name from entities where account_id = $1 order by kind, number`, account)
}

// entityMap is all entities of an account, for an act that defines some.
type entityMap struct {
	account string
	names   map[entityKey]string
	numbers map[entityName]int64
}

type entityKey struct {
	kind   string
	number int64
}
type entityName struct{ kind, name string }

func readMap(tx *db.Tx, account string) (*entityMap, error) {
	m := &entityMap{account, map[entityKey]string{}, map[entityName]int64{}}
	all, err := entitiesOf(tx, account)
	for _, e := range all {
		m.names[entityKey{e.Kind, e.Number}] = e.Name
		m.numbers[entityName{e.Kind, e.Name}] = e.Number
	}
	return m, err
}

// define makes an entity or names it anew.
func (m *entityMap) define(tx *db.Tx, e Entity) (outcome, error) {
	if e.Kind != Organization && e.Kind != LegalEntity && e.Kind != ContractType {
		return unchanged, errs.New(errs.Invalid, "entity.kind", "An entity is an %s, a %s or a %s.", Organization, LegalEntity, ContractType).On("kind")
	}
	if e.Number < 1 || e.Number > 1<<53 {
		return unchanged, errs.New(errs.Invalid, "entity.number", "The number of an entity is a positive integer.").On("number")
	}
	name, err := cleanName(e.Name)
	if err != nil {
		return unchanged, err
	}
	key, taken := entityKey{e.Kind, e.Number}, entityName{e.Kind, name}
	if other, ok := m.numbers[taken]; ok && other != e.Number {
		return unchanged, errs.New(errs.Conflict, "entity.taken", "Number %d has this name.", other).On("name")
	}
	was, there := m.names[key]
	if there && was == name {
		return unchanged, nil
	}
	query, done := `insert into entities (account_id, kind, number, name, created_ms) values ($1, $2, $3, $4, clock_ms()) on conflict do nothing`, created
	if there {
		query, done = `update entities set name = $4 where account_id = $1 and kind = $2 and number = $3`, changed
	}
	n, err := tx.Exec(query, m.account, e.Kind, e.Number, name)
	if err == nil && n == 0 {
		err = outrun()
	}
	if err == nil {
		delete(m.numbers, entityName{e.Kind, was})
		m.names[key], m.numbers[taken] = name, e.Number
	}
	return done, err
}

// outrun is the refusal of who defines what somebody else defined at the same moment.
func outrun() error {
	return errs.New(errs.Conflict, "define.outrun", "Somebody else defined this at the same moment: try again.")
}

// cleanName is the name of something that an account defines. Invalid "name.malformed", "name.missing".
func cleanName(s string) (string, error) {
	name, err := directory.PersonName(s)
	if err == nil && name == "" {
		err = errs.New(errs.Invalid, "name.missing", "The name must not be empty.").On("name")
	}
	return name, err
}

// places tells which entities there are.
type places struct {
	tx      *db.Tx
	account string
	known   map[entityKey]bool
}

// check cleans a scope. Invalid "scope.empty", "scope.too_large", "entity.unknown".
func (c *places) check(s Scope) (Scope, error) {
	s, err := s.clean()
	if err != nil || s.All() {
		return s, err
	}
	for _, l := range []struct {
		kind, field string
		list        []int64
	}{{Organization, "organizationIds", s.Organizations}, {LegalEntity, "legalEntityIds", s.LegalEntities},
		{ContractType, "contractTypeIds", s.ContractTypes}} {
		if err := c.exist(l.kind, l.list); err != nil {
			return s, onField(err, l.field)
		}
	}
	return s, nil
}

// exist refuses (Invalid "entity.unknown") numbers, in order, of which one is no entity's.
func (c *places) exist(kind string, numbers []int64) error {
	if len(numbers) == 0 {
		return nil
	}
	for _, n := range numbers {
		if !c.known[entityKey{kind, n}] {
			if err := c.learn(kind, numbers[0], numbers[len(numbers)-1]); err != nil {
				return err
			}
			break
		}
	}
	for _, n := range numbers {
		if !c.known[entityKey{kind, n}] {
			return errs.New(errs.Invalid, "entity.unknown", "There is no %s with the number %d.", words[kind], n).
				With("kind", kind).With("number", strconv.FormatInt(n, 10))
		}
	}
	return nil
}

var words = map[string]string{Organization: "organisation", LegalEntity: "legal entity", ContractType: "contract type"}

func (c *places) learn(kind string, from, to int64) error {
	if c.known == nil {
		c.known = map[entityKey]bool{}
	}
	for n, err := range db.Rows[int64](c.tx, `select number from entities where account_id = $1 and kind = $2 and number between $3 and $4`,
		c.account, kind, from, to) {
		if err != nil {
			return err
		}
		c.known[entityKey{kind, n}] = true
	}
	return nil
}
