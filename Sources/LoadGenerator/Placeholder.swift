import AsyncHTTPClient
func unused() {}
