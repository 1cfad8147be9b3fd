package main

import (
	"errors"
	"fmt"
	"regexp"
	"sort"

	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/images"
)

// query is a query for images, with what this version of the library lacks, and with the sizes, which every version so
// far knows and forgets to send.
type query struct {
	images.ListOpts
	hidden bool
}

func (q query) ToImageListQuery() (string, error) {
	text, err := q.ListOpts.ToImageListQuery()
	if err != nil {
		return "", err
	}
	if q.hidden {
		text += "&os_hidden=true"
	}
	if q.SizeMin > 0 {
		text += fmt.Sprintf("&size_min=%d", q.SizeMin)
	}
	if q.SizeMax > 0 {
		text += fmt.Sprintf("&size_max=%d", q.SizeMax)
	}
	return text, nil
}

// readSource looks for one image, or for the ids of all that fit.
func readSource(c *cloud, kind string, config attributes) (attributes, error) {
	found, err := matching(c, config)
	if err != nil {
		return nil, err
	}
	properties := config.pairs("properties")
	if kind == "ids" || len(found) > 1 {
		found = filtered(found, func(image images.Image) bool { return hasProperties(image, properties) })
	}
	if expression := config.text("name_regex"); expression != "" {
		matches := regexp.MustCompile(expression)
		found = filtered(found, func(image images.Image) bool {
			return image.Name != "" && matches.MatchString(image.Name)
		})
	}
	if kind == "ids" {
		ids := []string{}
		for _, image := range found {
			ids = append(ids, image.ID)
		}
		return plain(attributes{"ids": ids}), nil
	}
	if len(found) == 0 {
		return nil, errors.New("no results")
	}
	if len(found) > 1 && !config.is("most_recent") {
		return nil, errors.New("more than one result")
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].CreatedAt.Unix() < found[j].CreatedAt.Unix() })
	return plain(toldOf(&found[len(found)-1], config.is("hidden"))), nil
}

func matching(c *cloud, config attributes) ([]images.Image, error) {
	order := config.text("sort")
	if order == "" {
		order = "name:asc"
	}
	tags := config.texts("tags")
	if tag := config.text("tag"); tag != "" {
		tags = append(tags, tag)
	}
	wanted := query{images.ListOpts{
		Name: config.text("name"), Visibility: images.ImageVisibility(config.text("visibility")),
		Owner: config.text("owner"), Status: images.ImageStatusActive, SizeMin: int64(config.number("size_min")),
		SizeMax: int64(config.number("size_max")), Sort: order, ContainerFormat: config.text("container_format"),
		DiskFormat: config.text("disk_format"), Tags: tags,
		MemberStatus: images.ImageMemberStatus(config.text("member_status")),
	}, config.is("hidden")}
	page, err := images.List(c.ServiceClient, wanted).AllPages()
	if err != nil {
		return nil, err
	}
	return images.ExtractImages(page)
}

func hasProperties(image images.Image, wanted map[string]string) bool {
	for name, value := range wanted {
		if image.Properties[name] != value {
			return false
		}
	}
	return true
}

func filtered(found []images.Image, fits func(images.Image) bool) []images.Image {
	kept := []images.Image{}
	for _, image := range found {
		if fits(image) {
			kept = append(kept, image)
		}
	}
	return kept
}
