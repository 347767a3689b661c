import Checkpoints
import Glibc
import JSON
import TestSupport
import Testing

/// Folders whose index, shards and links do not agree.
struct ShardIndexTests {
  let folder = TemporaryFolder()

  init() {
    folder.write("{}", as: "config.json")
    folder.write(shard(["a", "b"]), as: "m-1.safetensors")
    folder.write(shard(["c"]), as: "m-2.safetensors")
  }

  func index(_ text: String) { folder.write(text, as: "model.safetensors.index.json") }
  func failure() -> CheckpointError? {
    CheckpointsTests.failure { () throws(CheckpointError) in try HuggingFaceFolder(path: folder.path) }
  }

  let good = #"{"a":"m-1.safetensors","b":"m-1.safetensors","c":"m-2.safetensors"}"#

  @Test func aShardedFolderOpens() throws {
    index(#"{"metadata":{"total_size":7,"more":[{"x":"]"}]},"weight_map":\#(good)}"# + "\n")
    let checkpoint = try HuggingFaceFolder(path: folder.path)
    #expect(Array(checkpoint.names) == ["a", "b", "c"] && checkpoint.fileCount == 2)
    #expect(checkpoint.totalByteCount == 3 && checkpoint.declaredByteCount == 7)
    #expect(try checkpoint.readAll(try #require(checkpoint.tensor("b"))) == [1])
    #expect(checkpoint.tensor("c")?.fileIndex == 1)
    #expect(checkpoint.generationConfig == nil)
  }

  @Test(arguments: ["-1", "1e9", "3.5", "\"7\"", "99999999999999999999", "null"])
  func aWrongTotalSizeIsIgnored(size: String) throws {
    index(#"{"metadata":{"total_size":\#(size)},"weight_map":\#(good)}"#)
    #expect(try HuggingFaceFolder(path: folder.path).declaredByteCount == nil)
  }

  @Test(arguments: [
    "/etc/passwd", "../m-1.safetensors", "./m-1.safetensors", "..", ".", "", "x/m-1.safetensors",
    #"m-1.safetensors\u0000"#,
    #"m-1.safetensors\u0000.safetensors"#, "/tmp/x.safetensors", #"..\\m-1.safetensors"#, ".safetensors",
    ".h.safetensors", "m-1.bin",
    "config.json", "m-1.safetensors/", #"m\n.safetensors"#, #"m\u007f.safetensors"#,
    String(repeating: "m", count: 250) + ".safetensors",
  ])
  func aShardThatIsNotAPlainFileNameIsRefused(name: String) {
    index(#"{"weight_map":{"a":"\#(name)"}}"#)
    guard case .shardName = failure() else {
      Issue.record("\(String(describing: failure()))")
      return
    }
  }

  @Test(arguments: [
    "", "{}", "[]", "null", #"{"weight_map":{}}"#, #"{"weight_map":[]}"#, #"{"weight_map":{"a":1}}"#,
    #"{"weight_map":{"a":null}}"#, #"{"weight_map":{"a":"m-1.safetensors"}"#,
    #"{"weight_map":{"a":["m-1.safetensors"]}}"#,
    #"{"weight_map":null}"#, #"{"metadata":{}}"#, #"{"x":{}"#, #"{"x":}"#, #"{"x":,"y":1}"#,
    #"{"weight_map":{"a":"m-1.safetensors"}} x"#,
  ])
  func anIndexWithoutAWeightMapIsRefused(text: String) {
    index(text)
    #expect(failure() != nil)
    if case .tensorsDiffer = failure() { Issue.record("read too far") }
  }

  @Test func repeatedKeysAreRefused() {
    for text in [
      #"{"weight_map":{"a":"m-1.safetensors","a":"m-1.safetensors"}}"#,
      #"{"weight_map":\#(good),"weight_map":\#(good)}"#,
      #"{"metadata":1,"metadata":2,"weight_map":\#(good)}"#,
      #"{"weight_map":{"a":"m-1.safetensors","\u0061":"m-2.safetensors"}}"#,
    ] {
      index(text)
      guard case .duplicateName = failure() else {
        Issue.record("\(text): \(String(describing: failure()))")
        continue
      }
    }
  }

  @Test func whatTheShardsHoldCountsAndNotWhatTheIndexSays() throws {
    let maps = [
      #"{"a":"m-1.safetensors","b":"m-1.safetensors","c":"m-2.safetensors","d":"m-2.safetensors"}"#,
      #"{"a":"m-1.safetensors","c":"m-2.safetensors"}"#,
      #"{"a":"m-1.safetensors","b":"m-2.safetensors","c":"m-2.safetensors"}"#,
      #"{"a":"m-1.safetensors","b":"m-1.safetensors","c":"m-2.safetensors","e":"m-3.safetensors"}"#,
    ]
    for map in maps {
      index(#"{"weight_map":\#(map)}"#)
      let checkpoint = try HuggingFaceFolder(path: folder.path)
      #expect(Array(checkpoint.names) == ["a", "b", "c"] && checkpoint.totalByteCount == 3, "\(map)")
      #expect(checkpoint.tensor("b")?.fileIndex == 0 && checkpoint.tensor("c")?.fileIndex == 1, "\(map)")
    }
  }

  @Test func aTensorThatOnlyTheIndexKnowsIsExplained() throws {
    let path = folder.path + "/model.safetensors.index.json"
    index(#"{"weight_map":{"a":"m-1.safetensors","d":"m-2.safetensors","c":"m-2.safetensors","e":"m-3.safetensors"}}"#)
    let checkpoint = try HuggingFaceFolder(path: folder.path)
    #expect(checkpoint.tensor("d") == nil && checkpoint.tensor("e") == nil)
    #expect(checkpoint.absence(of: "d") == .tensorNotInShard(path: path, name: "d", shard: "m-2.safetensors"))
    #expect(checkpoint.absence(of: "e") == .missingShard(folder: folder.path, shard: "m-3.safetensors", tensor: "e"))
    #expect(checkpoint.absence(of: "a") == nil && checkpoint.absence(of: "x") == nil)
    index(#"{"weight_map":{"e":"m-3.safetensors","f":"m-4.safetensors"}}"#)
    #expect(failure() == .missingShard(folder: folder.path, shard: "m-3.safetensors", tensor: "e"))
  }

  /// As transformers chooses; a file or an index that was left behind is told of.
  @Test func aFileOfItsOwnGoesBeforeTheIndex() throws {
    folder.write(shard(["a", "x"]), as: "model.safetensors")
    let one = try HuggingFaceFolder(path: folder.path)
    #expect(one.remark == nil && one.absence(of: "c") == nil)

    index(#"{"weight_map":\#(good)}"#)
    let both = try HuggingFaceFolder(path: folder.path)
    #expect(Array(both.names) == ["a", "x"] && both.fileCount == 1 && both.absence(of: "a") == nil)
    let absence = both.absence(of: "c")
    #expect(absence == .indexNotRead(folder: folder.path, tensor: "c", shardCount: 2, missing: []))
    #expect(absence?.description.contains("move it away to have the files of the index read") == true)
    #expect(both.remark?.hasSuffix("and not the other files that the index names, 2 in number") == true)

    unlink(folder.path + "/m-2.safetensors")
    let lost = try HuggingFaceFolder(path: folder.path)
    let other = lost.absence(of: "c")
    #expect(
      other == .indexNotRead(folder: folder.path, tensor: "c", shardCount: 2, missing: ["m-2.safetensors"]))
    #expect(other?.description.contains("download what is missing (1, such as \"m-2.safetensors\")") == true)
    #expect(lost.remark?.hasSuffix("2 in number (missing: 1)") == true)

    // An index of that one file, and one that cannot be read, are no choice.
    for text in [#"{"weight_map":{"a":"model.safetensors","c":"model.safetensors"}}"#, "{"] {
      index(text)
      let alone = try HuggingFaceFolder(path: folder.path)
      #expect(alone.remark == nil && alone.absence(of: "c") == nil, "\(text)")
    }
  }

  @Test func aTensorInTwoShardsMustHaveTheSameBytes() throws {
    index(#"{"weight_map":\#(good)}"#)
    let second = folder.path + "/m-2.safetensors"
    for names in [["a", "c"], ["c", "a"]] {
      folder.write(shard(names), as: "m-2.safetensors")
      if names == ["a", "c"] {
        let checkpoint = try HuggingFaceFolder(path: folder.path)
        #expect(Array(checkpoint.names) == ["a", "b", "c"] && checkpoint.totalByteCount == 3)
      } else {
        #expect(failure() == .tensorsDiffer(name: "a", first: folder.path + "/m-1.safetensors", second: second))
      }
    }
    folder.write(
      safetensors(#"{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#, dataByteCount: 1), as: "m-2.safetensors")
    #expect(failure() == .tensorsDiffer(name: "a", first: folder.path + "/m-1.safetensors", second: second))
  }

  @Test func aTruncatedShardIsRefused() {
    index(#"{"weight_map":\#(good)}"#)
    let whole = shard(["c"])
    for count in 0..<whole.count {
      folder.write(Array(whole[..<count]), as: "m-2.safetensors")
      #expect(failure()?.description.contains("m-2.safetensors") == true, "\(count) bytes")
    }
  }

  // MARK: Links and other kinds of file

  @Test func linksToRegularFilesAreFollowedAsInTheHubsCache() throws {
    try withTemporaryFolder { blobs throws in
      let blob = blobs.write(shard(["c"]), as: "0123abcd")
      unlink(folder.path + "/m-2.safetensors")
      #expect(symlink(blob, folder.path + "/m-2.safetensors") == 0)
      index(#"{"weight_map":\#(good)}"#)
      #expect(try HuggingFaceFolder(path: folder.path).tensor("c") != nil)
    }
  }

  @Test func linksToAnythingElseAreRefused() {
    index(#"{"weight_map":\#(good)}"#)
    let shardPath = folder.path + "/m-2.safetensors"
    let pipe = folder.path + "/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    for target in ["/", "/dev/zero", "/dev/null", pipe] {
      unlink(shardPath)
      #expect(symlink(target, shardPath) == 0)
      #expect(failure() == .notARegularFile(path: shardPath), "\(target)")
    }
    for target in [folder.path + "/nowhere/x", "m-9.safetensors"] {
      unlink(shardPath)
      #expect(symlink(target, shardPath) == 0)
      let absence = try? HuggingFaceFolder(path: folder.path).absence(of: "c")
      #expect(absence == .missingShard(folder: folder.path, shard: "m-2.safetensors", tensor: "c"))
    }
    unlink(shardPath)
    #expect(symlink("m-2.safetensors", shardPath) == 0)
    #expect(failure() == .system(operation: "open", path: shardPath, code: ELOOP))
    // A link out of the folder to a file that is no safetensors file.
    unlink(shardPath)
    #expect(symlink("/etc/passwd", shardPath) == 0)
    guard case .headerTooLong = failure() else {
      Issue.record("\(String(describing: failure()))")
      return
    }
  }

  // MARK: Incomplete folders

  @Test func anIncompleteFolderSaysWhatIsMissing() {
    #expect(failure() == .missingIndex(folder: folder.path, shard: "m-1.safetensors"))
    withTemporaryFolder { bare -> Void in
      func bareFailure() -> CheckpointError? {
        CheckpointsTests.failure { () throws(CheckpointError) in try HuggingFaceFolder(path: bare.path) }
      }
      #expect(bareFailure() == .missingFile(folder: bare.path, name: "config.json"))
      // As adapters and other formats are published.
      for name in ["consolidated.safetensors", "adapter_config.json"] {
        bare.write("x", as: name)
        if case .otherWeights(bare.path, name, _) = bareFailure() {
        } else {
          Issue.record("\(name): \(String(describing: bareFailure()))")
        }
        let file = bare.path + "/" + name
        let given = CheckpointsTests.failure { () throws(CheckpointError) in try HuggingFaceFolder(path: file) }
        #expect(given == .notAFolder(path: file))
        unlink(file)
      }
      bare.write("{}", as: "config.json")
      #expect(bareFailure() == .noWeights(folder: bare.path, found: nil))
      for (name, words) in [
        ("consolidated.00.safetensors", "Hugging Face format"),
        ("adapter_model.safetensors", "merge it into its base model"),
      ] {
        bare.write("x", as: name)
        guard case .otherWeights(bare.path, name, _) = bareFailure() else {
          Issue.record("\(name): \(String(describing: bareFailure()))")
          continue
        }
        #expect(bareFailure()?.description.contains(words) == true)
        unlink(bare.path + "/" + name)
      }
      bare.write("x", as: "pytorch_model.bin")
      #expect(bareFailure() == .noWeights(folder: bare.path, found: "pytorch_model.bin"))
      for name in ["model.safetensors", "model.safetensors.index.json"] {
        #expect(symlink("nowhere", bare.path + "/" + name) == 0)
        #expect(bareFailure() == .brokenLink(path: bare.path + "/" + name))
        unlink(bare.path + "/" + name)
      }
      bare.write("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", as: "model.safetensors")
      #expect(bareFailure() == .gitLFSPointer(path: bare.path + "/model.safetensors"))
      bare.write("{\"a\":}", as: "config.json")
      #expect(bareFailure()?.description.contains("config.json") == true)
      bare.write([UInt8](repeating: 0x20, count: (4 << 20) + 1), as: "config.json")
      guard case .tooLarge = bareFailure() else { return #expect(Bool(false), "config.json too large") }
      let file = bare.path + "/config.json"
      for path in [file, bare.path + "/absent", "", "/tmp\u{0}"] {
        let error = CheckpointsTests.failure { () throws(CheckpointError) in try HuggingFaceFolder(path: path) }
        #expect(error == .notAFolder(path: path))
      }
    }
  }

  @Test func shardsAndTensorsAreCapped() {
    index(#"{"weight_map":\#(good)}"#)
    var limits = CheckpointLimits()
    limits.shardCount = 1
    func refused() -> CheckpointError? {
      CheckpointsTests.failure { () throws(CheckpointError) in try HuggingFaceFolder(path: folder.path, limits: limits)
      }
    }
    let path = folder.path + "/model.safetensors.index.json"
    #expect(refused() == .tooMany(path: path, what: "shards", limit: 1))
    limits.shardCount = 2
    limits.tensorCount = 2
    #expect(refused() == .tooMany(path: path, what: "tensors", limit: 2))
    limits.indexByteCount = 10
    guard case .tooLarge = refused() else { return #expect(Bool(false)) }
  }
}
