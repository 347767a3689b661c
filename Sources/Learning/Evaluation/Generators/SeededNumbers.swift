/// Random numbers by a seed (SplitMix64; Steele, Lea and Flood, OOPSLA 2014): the same on every host.
struct SeededNumbers {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// Of a seed and texts that tell one stream from another.
  init(seed: UInt64, _ purpose: String) {
    var hash: UInt64 = 14_695_981_039_346_656_037
    for byte in purpose.utf8 { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
    state = seed &* 0x9E37_79B9_7F4A_7C15 ^ hash
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// One of the range, all but exactly equally probable.
  mutating func integer(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next().multipliedFullWidth(by: UInt64(range.count)).high)
  }

  mutating func element<T>(_ elements: [T]) -> T { elements[integer(0...(elements.count - 1))] }

  mutating func shuffled<T>(_ elements: [T]) -> [T] {
    var elements = elements
    for i in stride(from: elements.count - 1, to: 0, by: -1) { elements.swapAt(i, integer(0...i)) }
    return elements
  }
}
