"""What a bank says of an account: camt.052/053/054, MT940/942, CFONB 120 and CSV, in one neutral model."""
