"""Sentences for people, in the languages of the reports, and how numbers are written."""
