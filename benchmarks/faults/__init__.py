"""What a running server must survive; ``make trial`` does all of it and writes one dated table.

Each module has one fault, on a server that someone else started, with how much of it as arguments:
tests do little of it. All traffic goes to loopback and ends by itself.
"""
