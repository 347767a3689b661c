import Testing

@testable import Fabric

@Suite struct AgreementTests {
  @Test(
    arguments: [
      [1], [UInt8](repeating: 0, count: 8), [UInt8](repeating: 0xFF, count: 64), [9, 0, 0, 0, 0, 0, 0, 0, 65],
      [0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127],
      [0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ] as [[UInt8]])
  func aMalformedFailureIsAnErrorAndNoTrap(bytes: [UInt8]) {
    var found: [PeerFailure] = []
    #expect {
      try decode(bytes, from: Rank(3), into: &found)
    } throws: {
      if case FabricError.malformedMessage(from: Rank(3), _) = $0 { true } else { false }
    }
  }

  @Test func failuresAreTold() {
    let one = PeerFailure(ranks: [Rank(2)], message: "no such file")
    let several = PeerFailure(ranks: [Rank(0), Rank(1)], message: "out of memory")
    #expect(
      FabricError.peersFailed([several, one]).description
        == "2 ranks, first rank 0: out of memory\nrank 2: no such file")
  }
}
