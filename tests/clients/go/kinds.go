package main

import (
	"reflect"
	"sort"
)

// kind is a kind of resource.
type kind struct {
	// What can be configured, what it is if it is not, and whether a change of it makes the resource anew.
	fields map[string]field
	create func(*cloud, attributes) (attributes, error)
	read   func(*cloud, attributes) (attributes, error)
	update func(c *cloud, config attributes, have entry, changed []string) (attributes, error)
	remove func(*cloud, attributes) error
}

type field struct {
	// The value when it is not configured; without one, the service's is as good as any.
	standard interface{}
	// The service does not tell it.
	unseen, renews bool
}

var kinds map[string]kind

func init() {
	kinds = map[string]kind{
		"image": {imageFields, createImage, readImage, updateImage, removeImage},
		"access": {map[string]field{"image_id": {renews: true}, "member_id": {renews: true}, "status": {}},
			createAccess, readAccess, updateAccess, removeAccess},
		"access_accept": {map[string]field{"image_id": {renews: true}, "member_id": {renews: true}, "status": {}},
			createAccept, readAccess, updateAccess, removeAccept},
	}
}

// differences are the fields in which a resource is not as configured, and whether it has to be made anew.
func (k kind) differences(config attributes, have entry) ([]string, bool) {
	changed, renews := []string{}, false
	for name, field := range k.fields {
		wanted, isSet := config[name]
		if !isSet {
			if wanted = field.standard; wanted == nil && !field.unseen {
				continue
			}
		}
		seen := have.Seen[name]
		if field.unseen {
			seen = have.Config[name]
			if seen == nil {
				seen = field.standard
			}
		}
		if !alike(name, wanted, seen, have.Seen) {
			changed = append(changed, name)
			renews = renews || field.renews
		}
	}
	sort.Strings(changed)
	return changed, renews
}

func alike(name string, wanted, seen interface{}, all attributes) bool {
	switch name {
	case "tags":
		return reflect.DeepEqual(sorted(attributes{"": wanted}.texts("")), sorted(attributes{"": seen}.texts("")))
	case "properties":
		return reflect.DeepEqual(withServices(attributes{"": wanted}.pairs(""), all), all.pairs("properties"))
	}
	return reflect.DeepEqual(wanted, seen)
}

func sorted(values []string) []string {
	found := append([]string{}, values...)
	sort.Strings(found)
	return found
}
