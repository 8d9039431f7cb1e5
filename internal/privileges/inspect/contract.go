package inspect

import "github.com/witchcityrope/database/internal/privileges"

// checkContract looks for what is asserted in what the server has: what is
// there, and what the owners would create by the default privileges there are.
// It adds the cells that need several steps, which no comparison of single ones sees.
func (v *verifier) checkContract() {
	living := v.living()
	for _, assertion := range v.declared.Contract {
		v.result.Asserted++
		for _, broken := range living.Check(assertion) {
			v.fail(assertion.Role, assertion.Verb, broken.Object.String(), !assertion.Allowed, "by access.contract; "+broken.Reason)
		}
	}
}

// living is the server's model of what is declared, by the words of a contract.
func (v *verifier) living() privileges.Model {
	living := v.found
	living.Database, living.Objects = v.declared.Database, nil
	for _, object := range v.found.Objects {
		if _, judged := v.place(object); judged && object.Extension == "" {
			living.Objects = append(living.Objects, object)
		}
	}
	for _, declared := range v.declared.Objects {
		switch {
		case declared.Class == privileges.RoleClass:
			living.Objects = append(living.Objects, declared)
		case declared.New:
			living.Objects = append(living.Objects, v.found.Created(declared, declared.Owner))
		}
	}
	return living
}
