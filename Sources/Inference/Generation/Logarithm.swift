import Glibc

func logarithm(_ x: Double) -> Double { log(x) }
