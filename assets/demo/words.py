def count_words(text):
    """Return a dictionary of how often each word occurs in the text."""
    counts = {}
    for word in text.split():
        
    return counts


def most_common(text):
    counts = count_words(text)
    return max(counts, key=counts.get)
