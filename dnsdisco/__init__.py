"""Service discovery as a library and as a DNS server. (The map is completed when the rooms stand.)"""
