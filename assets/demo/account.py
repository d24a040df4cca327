class Account:
    """An account with a name and a balance."""

    def __init__(self, name, balance=0):
        self.name = name
        self.balance = balance

    def __repr__(self):
        return f"Account({self.name!r}, {self.balance!r})"

    def deposit(self, amount):
        """Add an amount to the balance."""
        if amount < 0:
            raise ValueError("amount must not be negative")
        self.balance += amount

    def withdraw(self, amount):
        """Take an amount from the balance."""
