"""What a sentence of an article is: near to a subject, a whole quotation, a correction, the words of a speaker."""
