package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/openstack/imageservice/v2/members"
)

// createAccess shares an image, by the hand of whoever has it.
func createAccess(c *cloud, config attributes) (attributes, error) {
	image, member := config.text("image_id"), config.text("member_id")
	if _, err := members.Create(c.ServiceClient, image, member).Extract(); err != nil {
		return nil, err
	}
	begun := attributes{"image_id": image, "member_id": member}
	if status := config.text("status"); status != "" {
		if _, err := members.Update(c.ServiceClient, image, member, members.UpdateOpts{Status: status}).Extract(); err != nil {
			return begun, err
		}
	}
	return readAccess(c, begun)
}

// createAccept accepts an image, by the hand of whom it is shared with.
func createAccept(c *cloud, config attributes) (attributes, error) {
	image, member := config.text("image_id"), config.text("member_id")
	if member == "" {
		var err error
		if member, err = onlyMember(c, image); err != nil {
			return nil, err
		}
	}
	begun := attributes{"image_id": image, "member_id": member}
	wanted := members.UpdateOpts{Status: config.text("status")}
	if _, err := members.Update(c.ServiceClient, image, member, wanted).Extract(); err != nil {
		return nil, err
	}
	return readAccess(c, begun)
}

// onlyMember is the member of an image that its reader sees.
func onlyMember(c *cloud, image string) (string, error) {
	page, err := members.List(c.ServiceClient, image).AllPages()
	if err != nil {
		return "", err
	}
	found, err := members.ExtractMembers(page)
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", errors.New(fmt.Sprint(len(found), " members"))
	}
	return found[0].MemberID, nil
}

func readAccess(c *cloud, seen attributes) (attributes, error) {
	member, err := members.Get(c.ServiceClient, seen.text("image_id"), seen.text("member_id")).Extract()
	if err != nil {
		return nil, orGone(err)
	}
	return plain(attributes{
		"id": member.ImageID + "/" + member.MemberID, "image_id": member.ImageID, "member_id": member.MemberID,
		"status": member.Status, "schema": member.Schema, "created_at": member.CreatedAt.Format(time.RFC3339),
		"updated_at": member.UpdatedAt.Format(time.RFC3339),
	}), nil
}

func updateAccess(c *cloud, config attributes, have entry, _ []string) (attributes, error) {
	if err := setStatus(c, have.Seen, config.text("status")); err != nil {
		return nil, err
	}
	return readAccess(c, have.Seen)
}

func setStatus(c *cloud, seen attributes, status string) error {
	wanted := members.UpdateOpts{Status: status}
	_, err := members.Update(c.ServiceClient, seen.text("image_id"), seen.text("member_id"), wanted).Extract()
	return orGone(err)
}

func removeAccess(c *cloud, seen attributes) error {
	return orGone(members.Delete(c.ServiceClient, seen.text("image_id"), seen.text("member_id")).ExtractErr())
}

// removeAccept rejects the image; whoever shared it takes it back.
func removeAccept(c *cloud, seen attributes) error { return setStatus(c, seen, "rejected") }
