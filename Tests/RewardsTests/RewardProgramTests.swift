import Dispatch
import Evaluation
import Glibc
import JSON
import Machine
import TestSupport
import Testing

@testable import Rewards

/// Programs that are run: good ones, and such as hang, fall silent, talk too much or leave others behind.
@Suite(.serialized) struct RewardProgramTests {
  /// Pays each line at once, its number.
  static let plain = #"while IFS= read -r l; do i=${l#*:}; i=${i%%,*}; echo "{\"index\":$i,\"reward\":$i}"; done"#

  private func rules(_ command: String, seconds: Double = 900, isIsolated: Bool = true) throws -> RewardRules {
    var options = RewardOptions()
    (options.command, options.commandTimeout, options.isolatesCommand) = (command, seconds, isIsolated)
    return try RewardRules("command", options: options)
  }

  private func samples(_ count: Int, _ completion: String = "a\"\n☃") throws -> [RewardedSample] {
    Array(repeating: try sample(completion), count: count)
  }

  private func words(_ command: String, count: Int = 3, completion: String = "a", seconds: Double = 1) throws -> String
  {
    let rules = try rules(command, seconds: seconds)
    defer { rules.close() }
    do {
      return "paid: \(try rules.verdicts(try samples(count, completion)))"
    } catch { return "\(error)" }
  }

  /// Processes that were started with this among their arguments, and run.
  private static func processes(with argument: String) -> [pid_t] {
    let wanted = Array("\0\(argument)\0".utf8)
    return SystemFiles.numbers(in: "/proc").filter {
      SystemFiles.bytes("/proc/\($0)/cmdline")?.firstRange(of: wanted) != nil
    }
  }

  @Test func aProgramIsStartedOnceAndPaysBatchAfterBatch() throws {
    let rules = try rules(
      #"n=0; while IFS= read -r l; do i=${l#*:}; i=${i%%,*}; n=$((n+1)); echo "{\"index\":$i,\"reward\":$n,\"outcome\":\"right\"}"; done"#
    )
    defer { rules.close() }
    for first in [1, 4] {
      let verdicts = try rules.verdicts(try samples(3))
      #expect(verdicts.map(\.reward) == (0..<3).map { Double(first + $0) })
      #expect(verdicts.map(\.outcome) == [.right, .right, .right] && verdicts[0].parts[0].name == "command")
    }
    rules.close()
    #expect(try rules.verdicts(try samples(1)).map(\.reward) == [1])
  }

  @Test func repliesMayComeInAnotherOrder() throws {
    let rules = try rules(
      #"out=; n=0; while IFS= read -r l; do i=${l#*:}; i=${i%%,*}; out="{\"index\":$i,\"reward\":$i}|$out"; n=$((n+1)); if [ $n = 4 ]; then printf %s "$out" | tr '|' '\n'; out=; n=0; fi; done"#
    )
    defer { rules.close() }
    for _ in 0..<2 { #expect(try rules.verdicts(try samples(4)).map(\.reward) == [0, 1, 2, 3]) }
  }

  @Test func aLineHoldsThePromptAndWhatCameOfIt() throws {
    let sample = try sample(
      "b</think>c", #"{"prompt":"a","answer":[1],"index":"mine","note":{"x":1}}"#, promptText: "a<think>", tokens: 5,
      isCut: true)
    #expect(
      RewardProgram.line(sample, 2, 9).text()
        == #"{"index":2,"batch_size":9,"completion":"<think>b</think>c","completion_tokens":5,"cut":true,"prompt":"a","answer":[1],"note":{"x":1}}"#
    )
  }

  @Test func thousandsOfCompletionsBlockNeitherSide() throws {
    let rules = try rules(Self.plain, seconds: 900)
    defer { rules.close() }
    #expect(try rules.verdicts(try samples(5000)).map(\.reward) == (0..<5000).map { Double($0) })
  }

  @Test func aProgramMayWriteMuchBeforeItReadsMuch() throws {
    let loop =
      #"p=$(head -c 20000 /dev/zero | tr '\0' x); i=0; while [ $i -lt 200 ]; do echo "{\"index\":$i,\"reward\":1,\"p\":\"$p\"}"; i=$((i+1)); done; cat >/dev/null"#
    let rules = try rules(loop, seconds: 900)
    defer { rules.close() }
    let verdicts = try rules.verdicts(try samples(200, String(repeating: "y", count: 20_000)))
    #expect(verdicts.allSatisfy { $0.reward == 1 } && verdicts.count == 200)
  }

  @Test func aProgramThatEndedWellIsStartedAnew() throws {
    let rules = try rules(#"read -r l; echo '{"index":0,"reward":1}'; exit 0"#)
    defer { rules.close() }
    for _ in 0..<3 { #expect(try rules.verdicts(try samples(1)).map(\.reward) == [1]) }
  }

  @Test func aProgramThatHangsIsEndedWithAllItsChildren() throws {
    let mark = "31401.\(getpid())"
    let words = try words("(setsid sleep \(mark) &); sleep \(mark) & sleep \(mark)")
    #expect(words.contains("its 1 seconds for a batch were over") && words.contains("0 of 3"), "\(words)")
    #expect(eventually { Self.processes(with: mark).isEmpty })
  }

  @Test func onlyTheNextCallStartsItAnew() throws {
    let rules = try rules("sleep 31402", seconds: 0.2)
    for _ in 0..<2 { #expect(throws: RewardError.self) { try rules.verdicts(try samples(1)) } }
    rules.close()
    rules.close()
  }

  @Test(
    arguments: [
      ("echo hello; cat >/dev/null", "printed the line \"hello\""), ("exit 3", "ended with status 3"),
      ("kill -9 $$", "signal 9"), ("/no/such/program", "ended with status 127"), ("exit 0", "ended with status 0"),
      ("yes ''", "more than any replies take"), ("cat /dev/zero", "goes on for more than 1 MiB"),
      (#"echo '{"index":0,"reward":1}'; exit 1"#, "had paid 1 of 3"),
      (#"printf '{"index":0,"reward":1}'; sleep 31403"#, "it had begun a line"),
    ])
  func whatIsWrongIsToldInWords(command: String, expected: String) throws {
    let fault = faultWithPatience(command.contains("sleep") ? [1, 8, 60] : [600, 600, 600]) { seconds in
      let words = try words(command, seconds: seconds)
      return words.contains(expected) && words.hasPrefix("the reward program") ? nil : words
    }
    #expect(fault == nil)
  }

  @Test func aProgramThatClosesItsOutputOrInputIsAnError() throws {
    let mark = "31404.\(getpid())"
    #expect(try words("exec 1>&-; sleep \(mark)").hasPrefix("the reward program"))
    let large = String(repeating: "y", count: 100_000)
    #expect(try words("exec 0<&-; sleep \(mark)", completion: large).hasPrefix("the reward program"))
    #expect(eventually { Self.processes(with: mark).isEmpty })
  }

  @Test func aProgramThatSpeaksUnaskedIsAnErrorOfTheNextBatch() throws {
    let rules = try rules(#"read -r l; echo '{"index":0,"reward":1}'; sleep 0.1; echo x; cat >/dev/null"#)
    defer { rules.close() }
    do {
      _ = try rules.verdicts(try samples(1))
      usleep(500_000)
      _ = try rules.verdicts(try samples(1))
      Issue.record("a word too many was not heard")
    } catch { #expect("\(error)".contains("printed"), "\(error)") }
  }

  @Test func thereIsNoNetworkUnlessTheNoteSaysSo() throws {
    let (listener, port) = try listen()
    defer { close(listener) }
    let command =
      #"while read -r l; do if bash -c 'exec 3<>/dev/tcp/127.0.0.1/\#(port)' 2>/dev/null; then r=1; else r=0; fi; echo "{\"index\":0,\"reward\":$r}"; done"#
    let open = try rules(command, isIsolated: false)
    defer { open.close() }
    #expect(open.notes.isEmpty)
    #expect(try open.verdicts(try samples(1)).map(\.reward) == [1])
    let isolated = try rules(command)
    defer { isolated.close() }
    let reaches = try isolated.verdicts(try samples(1))[0].reward == 1
    #expect(reaches == !isolated.notes.isEmpty, "\(isolated.notes)")
  }

  private func listen() throws -> (Int32, Int) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isOpen = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && Glibc.listen(listener, 8) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    try #require(listener >= 0 && isOpen)
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
  }

  @Test(arguments: [true, false]) func nothingIsLeftOfAProgramThatWasEnded(isIsolated: Bool) throws {
    let mark = "31405.\(getpid())"
    let process = try ProgramProcess(
      "sleep \(mark) & exec sleep \(mark)", in: Confinement.find(isIsolated: isIsolated))
    #expect(eventually { Self.processes(with: mark).count >= 2 })
    process.end(grace: .zero)
    // A process that nobody waited for would still be there.
    #expect(eventually { kill(process.id, 0) != 0 && Self.processes(with: mark).isEmpty })
  }

  /// One that complains for ever fills no disk; what it says first is seen, and so is what comes with the next batch.
  @Test func ofWhatAProgramComplainsAMebibyteIsShown() throws {
    let folder = TemporaryFolder()
    let path = folder.write("", as: "shown")
    let shown = open(path, O_WRONLY | O_APPEND)
    defer { close(shown) }
    let (heard, complaining) = try ChildProcess.makePipe()
    let errors = try ProgramErrors(heard, shown: shown)
    func complain(_ byte: UInt8, _ count: Int) throws {
      let bytes = [UInt8](repeating: byte, count: count)
      var sent = 0
      while sent < count {
        sent += max(0, bytes.withUnsafeBytes { write(complaining, $0.baseAddress! + sent, count - sent) })
      }
    }
    func size() -> Int {
      var status = stat()
      return stat(path, &status) == 0 ? Int(status.st_size) : -1
    }
    let whole = ProgramErrors.limit + ProgramErrors.note.utf8.count
    try complain(97, 3 * ProgramErrors.limit)
    #expect(eventually { size() == whole })
    errors.refill()
    try complain(98, 10)
    close(complaining)
    errors.wait(atMost: .seconds(600))
    let text = try #require(SystemFiles.bytes(path))
    #expect(text.count(where: { $0 == 98 }) == 10 + ProgramErrors.note.utf8.count(where: { $0 == 98 }))
    #expect(size() >= whole + 10)
  }

  @Test func aProgramEndsWithTheProcessThatStartedIt() async throws {
    let mark = "31406.\(getpid())"
    await #expect(processExitsWith: .signal(SIGKILL)) { [mark = mark as String] in
      let process = try ProgramProcess("sleep \(mark) & exec sleep \(mark)", in: Confinement.find(isIsolated: true))
      withExtendedLifetime(process) {
        guard eventually({ RewardProgramTests.processes(with: mark).count >= 2 }) else { return }
        kill(getpid(), SIGKILL)
      }
    }
    guard Confinement.find(isIsolated: true).prefix.contains("setpriv") else { return }
    #expect(eventually { Self.processes(with: mark).isEmpty })
  }
}
