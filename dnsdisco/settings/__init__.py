"""What can be set, declared once: parser, checks, defaults, a worker's part, the JSON Schema and the tables of docs/configuration.md follow from it.

    declared.py   every setting: its name, its kind, its default, its sentence, and whether a worker gets it
    sections.py   likewise those that stand in sections, such as `cache:`
    setting.py    the parts of a declaration
    kinds.py      the kinds of values: how each is read, its bounds, its words in the documentation
    lists.py      the kinds that hold others: lists, mappings, the entries of `providers`
    entry.py      the options that every entry of `providers` takes
    options.py    options that a program gives to a provider's class, read in the same way
    forms.py      settings as JSON and back, the part of a worker, the JSON Schema

Rules of the room: pure; imports only `written`. It is small, since a worker starts with it: the metadata of a setting is evaluated only
where it is asked for. `config` reads by it what people write; the other rooms use the values as they are declared. To add a setting,
write its line in `declared.py` or `sections.py`, and use it. Read first: `declared.py`.
"""
