"""One file a page: its routes, what it reads, and which of its regions change while somebody looks.

A page reads the store through its ports, hides what is no business of the person's groups, and renders one template
of its own name; what changes goes into a part of its own (`_name.html`), rendered alike for the page and its stream.
"""
