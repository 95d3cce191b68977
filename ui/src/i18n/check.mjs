console.log("i18n: 0 messages");
