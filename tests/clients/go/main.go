// Makes the calls of the Terraform provider for OpenStack that concern images, in its order, with the library that it
// uses. It does for a small configuration what Terraform does: it refreshes what it has made, compares, and changes
// what differs.
//
//	terraform plan|apply|destroy STATE <CONFIGURATION
//
// CONFIGURATION is JSON: {"resources": [{"kind", "name", "config"}], "sources": [the same]}. A text "${NAME.ATTRIBUTE}"
// in it stands for what a resource before it has. STATE is the file that keeps what was made. The answer is JSON: the
// calls, what changes, and the attributes of everything.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"sort"
)

// attributes are what a configuration wants of a resource, or what the service has.
type attributes map[string]interface{}

// block is a resource or a data source as configured.
type block struct {
	Kind   string     `json:"kind"`
	Name   string     `json:"name"`
	Config attributes `json:"config"`
}

// entry is a resource that was made: as it was configured, and as it was last seen.
type entry struct {
	Kind   string     `json:"kind"`
	Config attributes `json:"config"`
	Seen   attributes `json:"seen"`
}

// change is what a plan does to a resource.
type change struct {
	Name   string   `json:"name"`
	Action string   `json:"action"`
	Fields []string `json:"fields"`
}

// answer is what the program prints.
type answer struct {
	Login   []string              `json:"login"`
	Calls   []string              `json:"calls"`
	Changes []change              `json:"changes"`
	Values  map[string]attributes `json:"values"`
	Error   string                `json:"error"`
}

type configuration struct {
	Resources []block `json:"resources"`
	Sources   []block `json:"sources"`
}

// run is one run of the program.
type run struct {
	cloud  *cloud
	state  map[string]entry
	answer answer
}

var errGone = errors.New("gone")

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: terraform plan|apply|destroy STATE <CONFIGURATION")
		os.Exit(2)
	}
	r := run{state: map[string]entry{}, answer: answer{Changes: []change{}, Values: map[string]attributes{}}}
	err := r.perform(os.Args[1], os.Args[2])
	if err != nil {
		r.answer.Error = err.Error()
	}
	if r.cloud != nil {
		r.answer.Login, r.answer.Calls = r.cloud.login, r.cloud.calls.made
	}
	if err := json.NewEncoder(os.Stdout).Encode(r.answer); err != nil {
		panic(err)
	}
}

func (r *run) perform(verb, path string) error {
	var wanted configuration
	if err := json.NewDecoder(os.Stdin).Decode(&wanted); err != nil {
		return fmt.Errorf("the configuration: %w", err)
	}
	kept, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		if err := json.Unmarshal(kept, &r.state); err != nil {
			return fmt.Errorf("the state: %w", err)
		}
	}
	if r.cloud, err = login(); err != nil {
		return err
	}
	done := r.steps(verb, wanted)
	// What was made before something failed is kept, too.
	kept, err = json.MarshalIndent(r.state, "", " ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, kept, 0o600); err != nil {
		return err
	}
	for name, have := range r.state {
		r.answer.Values[name] = have.Seen
	}
	return done
}

func (r *run) steps(verb string, wanted configuration) error {
	if err := r.refresh(); err != nil {
		return err
	}
	if verb == "destroy" {
		return r.destroy(wanted.Resources)
	}
	for _, block := range wanted.Resources {
		if err := r.settle(block, verb == "apply"); err != nil {
			return fmt.Errorf("%s: %w", block.Name, err)
		}
	}
	for _, block := range wanted.Sources {
		found, err := readSource(r.cloud, block.Kind, r.resolved(block.Config))
		if err != nil {
			return fmt.Errorf("%s: %w", block.Name, err)
		}
		r.answer.Values[block.Name] = found
	}
	return nil
}

// refresh reads everything that was made; what is gone is forgotten.
func (r *run) refresh() error {
	for _, name := range names(r.state) {
		have := r.state[name]
		seen, err := kinds[have.Kind].read(r.cloud, have.Seen)
		if errors.Is(err, errGone) {
			delete(r.state, name)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		have.Seen = seen
		r.state[name] = have
	}
	return nil
}

// settle compares a resource with its configuration, and makes it so if it may.
func (r *run) settle(block block, applies bool) error {
	kind, config := kinds[block.Kind], r.resolved(block.Config)
	have, exists := r.state[block.Name]
	action, fields := "create", []string{}
	if exists {
		var renews bool
		if fields, renews = kind.differences(config, have); len(fields) == 0 {
			return nil
		}
		action = map[bool]string{true: "replace", false: "update"}[renews]
	}
	r.answer.Changes = append(r.answer.Changes, change{block.Name, action, fields})
	if !applies {
		return nil
	}
	if action == "update" {
		seen, err := kind.update(r.cloud, config, have, fields)
		if err == nil {
			r.state[block.Name] = entry{block.Kind, config, seen}
		}
		return err
	}
	if action == "replace" {
		if err := r.remove(block.Name); err != nil {
			return err
		}
	}
	seen, err := kind.create(r.cloud, config)
	if seen != nil {
		r.state[block.Name] = entry{block.Kind, config, seen}
	}
	return err
}

// destroy removes everything, what was configured last first.
func (r *run) destroy(blocks []block) error {
	for at := len(blocks) - 1; at >= 0; at-- {
		name := blocks[at].Name
		if _, exists := r.state[name]; !exists {
			continue
		}
		r.answer.Changes = append(r.answer.Changes, change{name, "delete", []string{}})
		if err := r.remove(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (r *run) remove(name string) error {
	have := r.state[name]
	if err := kinds[have.Kind].remove(r.cloud, have.Seen); err != nil && !errors.Is(err, errGone) {
		return err
	}
	delete(r.state, name)
	return nil
}

var reference = regexp.MustCompile(`^\$\{(\w+)\.(\w+)\}$`)

// resolved has the attributes of resources in place of what refers to them.
func (r *run) resolved(config attributes) attributes {
	whole := attributes{}
	for key, value := range config {
		text, _ := value.(string)
		if found := reference.FindStringSubmatch(text); found != nil {
			value = r.state[found[1]].Seen[found[2]]
		}
		whole[key] = value
	}
	return whole
}

func names(state map[string]entry) []string {
	found := make([]string, 0, len(state))
	for name := range state {
		found = append(found, name)
	}
	sort.Strings(found)
	return found
}
