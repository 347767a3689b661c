import Foundation
import Testing

/// Inputs made from valid ones by chance, for every reader of what comes from outside: each is read or refused in
/// words, and nothing traps, hangs or takes memory out of proportion.
///
/// `fuzz.sh` tries others for as long as one likes.
@Suite(.serialized) struct HostileInputTests {
  @Test(arguments: FuzzTarget.all.map(\.name)) func everyInputIsReadOrRefusedInWords(target: String) async throws {
    let settings = ProcessInfo.processInfo.environment
    var run = FuzzRun(target: target)
    if let only = settings["FUZZ_TARGET"], !only.isEmpty, only != target { return }
    if let seed = settings["FUZZ_SEED"].flatMap({ UInt64($0) }) { run.seed = seed }
    run.seconds = settings["FUZZ_SECONDS"].flatMap { Double($0) }
    run.number = settings["FUZZ_INPUT"].flatMap { UInt64($0) }
    let note = FuzzRun.Note(of: getpid())
    defer { note.remove() }
    try note.write(run)
    let result = await #expect(processExitsWith: .success) { FuzzRun.attempt() }
    if result?.exitStatus == .exitCode(0) {
      if run.seconds != nil { print(note.words, terminator: "") }
      return
    }
    guard let last = note.last else {
      Issue.record("\(target): \(note.words)")
      return
    }
    let kept = FileManager.default.temporaryDirectory.path + "/fuzz-\(target)-\(run.seed)-\(last.number)"
    try Data(last.bytes).write(to: URL(filePath: kept))
    let again = "FUZZ_SEED=\(run.seed) FUZZ_INPUT=\(last.number) Tests/FuzzTests/fuzz.sh 1 \(target)"
    Issue.record("\(note.words)the input is in \(kept); to try it again: \(again)")
  }

  @Test func everyTargetHasANameOfItsOwn() {
    #expect(Set(FuzzTarget.all.map(\.name)).count == FuzzTarget.all.count && FuzzTarget.all.count > 15)
  }

  @Test func theSameSeedAndNumberMakeTheSameInput() {
    let mutator = Mutator(seeds: [Array("{\"a\":12}".utf8)], pieces: [[0x5B]])
    let inputs = (0..<200).map { mutator.input(seed: 1, number: $0) }
    #expect(inputs == (0..<200).map { mutator.input(seed: 1, number: $0) })
    #expect(Set(inputs).count > 100 && inputs != (0..<200).map { mutator.input(seed: 2, number: $0) })
  }
}
