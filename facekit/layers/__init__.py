"""The building blocks of networks. Each exists once; models choose their number and width."""
