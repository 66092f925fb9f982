"""Loans into what a bank reports of them."""
