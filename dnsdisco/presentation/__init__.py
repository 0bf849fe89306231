"""Messages as people read them (the presentation format of RFC 1035 §5.1 and RFC 9499): for the command line and the pages.

    message.py   a reply as plain values
    question.py  a question as people write it
    rdata.py     the data of one record as text

Rules of the room: PURE; imports `errors` and `wire`, and dnspython for types that are rarely seen. Whatever a server sent, the text is safe to
print on a terminal. Read first: `message.py`.
"""
