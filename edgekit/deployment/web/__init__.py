"""A page that runs a student on a phone: offline after the first visit, nothing leaves the device."""
