// AMQP 1.0 with Qpid Proton for C++, as Debian has it.
// usage: proton_peer send|check URL ADDRESS TABLE [--without NAME,NAME…]
//            a value of each type of tests/data/amqp_types.tsv
//        proton_peer large URL ADDRESS OCTETS     a body there and back, by credit of one
//        proton_peer credit URL ADDRESS COUNT     messages there and back, by credit of one
// URL is user:password@host:port. Says what it did, or what is wrong; ends with 0 or 1.

#include <proton/annotation_key.hpp>
#include <proton/codec/decoder.hpp>
#include <proton/codec/encoder.hpp>
#include <proton/connection.hpp>
#include <proton/connection_options.hpp>
#include <proton/container.hpp>
#include <proton/decimal.hpp>
#include <proton/delivery.hpp>
#include <proton/error_condition.hpp>
#include <proton/map.hpp>
#include <proton/message.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/receiver.hpp>
#include <proton/receiver_options.hpp>
#include <proton/sender.hpp>
#include <proton/sender_options.hpp>
#include <proton/target.hpp>
#include <proton/tracker.hpp>
#include <proton/types.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::string part;
  for (std::istringstream rest(text); std::getline(rest, part, at);) parts.push_back(part);
  return parts;
}

struct Row {
  std::string name, type, text;

  bool is_simple() const { return text != "-" || type == "null"; }

  // What is written in hexadecimal.
  proton::binary octets() const {
    auto star = text.find('*');
    std::string hex = text.substr(0, star);
    int times = star == std::string::npos ? 1 : std::stoi(text.substr(star + 1));
    proton::binary all;
    for (; times > 0; --times)
      for (size_t at = 0; at + 1 < hex.size(); at += 2)
        all.push_back(uint8_t(std::stoi(hex.substr(at, 2), nullptr, 16)));
    return all;
  }

  std::string string() const {
    auto all = octets();
    return std::string(all.begin(), all.end());
  }

  // Numbers as the machine has them, from octets in the network's order.
  template <class T> T number() const {
    auto all = octets();
    std::reverse(all.begin(), all.end());
    T value;
    std::memcpy(&value, all.data(), sizeof value);
    return value;
  }

  // Octets as they are on the wire.
  template <class T> T same() const {
    T value;
    auto all = octets();
    std::copy(all.begin(), all.end(), value.begin());
    return value;
  }

  proton::value value() const;
};

proton::value described() {
  proton::value value;
  proton::codec::encoder encoder(value);
  encoder << proton::codec::start::described() << proton::symbol("tubepost:described")
          << std::string("v") << proton::codec::finish();
  return value;
}

proton::value Row::value() const {
  using list = std::vector<proton::value>;
  using map = std::map<std::string, proton::value>;
  if (name == "list-empty") return list{};
  if (name == "list") return list{int32_t(1), "a", proton::value(), true};
  if (name == "map-empty") return map{};
  if (name == "map") return map{{"a", uint64_t(7)}, {"b", "c"}};
  if (name == "array-int") return std::vector<int32_t>{1, 2, -3};
  if (name == "array-string") return std::vector<std::string>{"a", "bc"};
  if (name == "described") return described();
  if (name == "nested")
    return list{"a", map{{"k", list{proton::value(), true, "b"}}}, list{list{}}};
  if (type == "null") return proton::value();
  if (type == "boolean") return text == "true";
  if (type == "ubyte") return uint8_t(std::stoul(text));
  if (type == "ushort") return uint16_t(std::stoul(text));
  if (type == "uint") return uint32_t(std::stoul(text));
  if (type == "ulong") return uint64_t(std::stoull(text));
  if (type == "byte") return int8_t(std::stoi(text));
  if (type == "short") return int16_t(std::stoi(text));
  if (type == "int") return int32_t(std::stol(text));
  if (type == "long") return int64_t(std::stoll(text));
  if (type == "float") return number<float>();
  if (type == "double") return number<double>();
  if (type == "decimal32") return number<proton::decimal32>();
  if (type == "decimal64") return number<proton::decimal64>();
  if (type == "decimal128") return same<proton::decimal128>();
  if (type == "char") return wchar_t(std::stoul(text, nullptr, 16));
  if (type == "timestamp") return proton::timestamp(std::stoll(text));
  if (type == "uuid") return same<proton::uuid>();
  if (type == "binary") return octets();
  if (type == "string") return string();
  if (type == "symbol") return proton::symbol(string());
  fail("type " + type);
}

std::vector<Row> table(const std::string& file, const std::string& without) {
  auto left_out = split(without, ',');
  std::set<std::string> none(left_out.begin(), left_out.end());
  std::ifstream lines(file);
  std::vector<Row> rows;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    auto parts = split(line, '\t');
    parts.resize(3);
    if (!none.count(parts[0])) rows.push_back({parts[0], parts[1], parts[2]});
  }
  if (rows.empty()) fail("no rows in " + file);
  return rows;
}

// As Proton writes it. Its own comparison does not come to an end with nulls in lists.
std::vector<char> written(const proton::value& value) {
  proton::message message(value);
  message.inferred(false);
  return message.encode();
}

void same(const Row& row, const char* place, const proton::value& found) {
  // Of a null nothing is sent as a body.
  if (row.type == "null" && found.empty()) return;
  auto expected = row.value();
  if (written(found) == written(expected)) return;
  std::ostringstream words;
  words << row.name << " as " << place << ": expected " << expected << ", found " << found;
  fail(words.str());
}

// A connection that ends with an error, unless `finish` was called.
class Peer : public proton::messaging_handler {
 public:
  explicit Peer(const std::string& url) {
    auto at = url.find('@');
    auto login = split(url.substr(0, at), ':');
    options_.user(login.at(0)).password(login.at(1)).sasl_allow_insecure_mechs(true);
    place_ = url.substr(at + 1);
  }

  void on_container_start(proton::container& container) override {
    container.connect(place_, options_);
  }

  void on_error(const proton::error_condition& error) override { fail(error.what()); }

  void on_connection_close(proton::connection&) override {
    if (!is_done_) fail("the connection was closed");
  }

 protected:
  void finish(proton::connection connection) {
    is_done_ = true;
    connection.close();
  }

 private:
  proton::connection_options options_;
  std::string place_;
  bool is_done_ = false;
};

class Send : public Peer {
 public:
  Send(const std::string& url, const std::string& address, std::vector<Row> rows)
      : Peer(url), address_(address), rows_(std::move(rows)) {}

  void on_connection_open(proton::connection& connection) override {
    connection.open_sender(address_);
  }

  void on_sendable(proton::sender& sender) override {
    for (; sent_ < rows_.size() && sender.credit() > 0; ++sent_) {
      const auto& row = rows_[sent_];
      proton::message message;
      message.subject(row.name);
      message.body(row.value());
      message.message_annotations().put(proton::symbol("x-opt-v"), row.value());
      // A scalar holds no null.
      if (row.is_simple() && row.type != "null")
        message.properties().put("v", proton::get<proton::scalar>(row.value()));
      sender.send(message);
    }
  }

  void on_tracker_accept(proton::tracker& tracker) override {
    if (++accepted_ == rows_.size()) finish(tracker.connection());
  }

  void on_tracker_reject(proton::tracker&) override { fail("rejected"); }
  void on_tracker_release(proton::tracker&) override { fail("released"); }

 private:
  std::string address_;
  std::vector<Row> rows_;
  size_t sent_ = 0, accepted_ = 0;
};

class Check : public Peer {
 public:
  Check(const std::string& url, const std::string& address, std::vector<Row> rows)
      : Peer(url), address_(address), rows_(std::move(rows)) {}

  void on_connection_open(proton::connection& connection) override {
    auto credit = proton::receiver_options().credit_window(0);
    connection.open_receiver(address_, credit).add_credit(uint32_t(rows_.size()));
  }

  void on_message(proton::delivery& delivery, proton::message& message) override {
    const auto& row = rows_.at(came_);
    if (message.subject() != row.name) fail("came " + message.subject() + " for " + row.name);
    // There are peers that have no types for bodies, and send octets.
    if (!message.inferred()) same(row, "a body", message.body());
    same(row, "an annotation", message.message_annotations().get(proton::symbol("x-opt-v")));
    if (row.is_simple() && row.type != "null")
      same(row, "a property", message.properties().get("v"));
    if (++came_ == rows_.size()) finish(delivery.connection());
  }

 private:
  std::string address_;
  std::vector<Row> rows_;
  size_t came_ = 0;
};

// Sends so many messages of so many octets, and takes them one at a time.
class Round : public Peer {
 public:
  Round(const std::string& url, const std::string& address, size_t count, size_t octets)
      : Peer(url), address_(address), count_(count), octets_(octets) {}

  void on_connection_open(proton::connection& connection) override {
    connection.open_sender(address_);
  }

  void on_sendable(proton::sender& sender) override {
    for (; sent_ < count_ && sender.credit() > 0; ++sent_) {
      proton::message message(body(sent_));
      message.id(uint64_t(sent_));
      message.inferred(true);
      sender.send(message);
    }
  }

  void on_tracker_accept(proton::tracker& tracker) override {
    if (++accepted_ < count_) return;
    auto credit = proton::receiver_options().credit_window(0).auto_accept(false);
    tracker.connection().open_receiver(address_, credit).add_credit(1);
  }

  void on_tracker_reject(proton::tracker&) override { fail("rejected"); }

  void on_message(proton::delivery& delivery, proton::message& message) override {
    if (came_ == count_) fail("one more came than was sent");
    if (proton::get<uint64_t>(message.id()) != came_) fail("another came than was the next");
    if (proton::get<proton::binary>(message.body()) != body(came_)) fail("the body is another");
    auto receiver = delivery.receiver();
    if (receiver.credit() != 0) fail("it came without credit");
    delivery.accept();
    if (++came_ == count_) return finish(delivery.connection());
    receiver.add_credit(1);
  }

 private:
  proton::binary body(size_t number) const {
    proton::binary octets(octets_);
    for (size_t at = 0; at < octets_; at += 1021) octets[at] = uint8_t(at / 1021 + number);
    return octets;
  }

  std::string address_;
  size_t count_, octets_, sent_ = 0, accepted_ = 0, came_ = 0;
};

void run(const std::vector<std::string>& words) {
  if (words.size() < 4) fail("see the first lines of the program");
  const auto &verb = words[0], &url = words[1], &address = words[2];
  std::string without = words.size() == 6 ? words[5] : "";
  if (verb == "send") {
    Send peer(url, address, table(words[3], without));
    proton::container(peer).run();
  } else if (verb == "check") {
    Check peer(url, address, table(words[3], without));
    proton::container(peer).run();
  } else if (verb == "large") {
    Round peer(url, address, 2, std::stoul(words[3]));
    proton::container(peer).run();
  } else {
    Round peer(url, address, std::stoul(words[3]), 100);
    proton::container(peer).run();
  }
  std::cout << verb << ": done" << std::endl;
}

}  // namespace

int main(int count, char** words) {
  try {
    run(std::vector<std::string>(words + 1, words + count));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
