"""Preprocessing of images: ours on numpy and on a device, beside what a user would write with other libraries."""
